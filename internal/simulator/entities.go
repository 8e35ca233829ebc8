package simulator

import (
	"strings"
	"unicode/utf8"
)

// entities is what X would find in a text. Positions count characters, as X does.
type entities struct {
	hashtags, mentions, urls []entity
}

type entity struct {
	start, end int
	word       string // without # or @
}

func entitiesOf(text string) entities {
	var e entities
	at := 0
	for _, word := range strings.FieldsFunc(strings.NewReplacer("\n", " ", "\r", " ", "\t", " ", "\u2028", " ").Replace(text), func(r rune) bool { return r == ' ' }) {
		from := strings.Index(text[at:], word) + at
		at = from + len(word)
		found := entity{start: utf8.RuneCountInString(text[:from]), end: utf8.RuneCountInString(text[:at])}
		switch {
		case strings.HasPrefix(word, "#"):
			// An ellipsis or an emoji may stick to the word.
			found.word = topicMark
			found.end = found.start + 1 + topicLength
			e.hashtags = append(e.hashtags, found)
		case strings.HasPrefix(word, "@"):
			found.word = strings.TrimRight(word[1:], ":…")
			found.end = found.start + 1 + len(found.word)
			e.mentions = append(e.mentions, found)
		case strings.HasPrefix(word, "https://t.co/"):
			found.word = word[:len("https://t.co/")+10]
			found.end = found.start + len(found.word)
			e.urls = append(e.urls, found)
		}
	}
	return e
}

func (c *composer) entities(e entities) {
	before := `,"entities":{`
	list := func(name string, of []entity, rest func(entity)) {
		if len(of) == 0 {
			return
		}
		c.raw(before + `"` + name + `":[`)
		before = `,`
		for i, x := range of {
			c.comma(i).raw(`{"end":`).num(x.end)
			rest(x)
			c.raw(`}`)
		}
		c.raw(`]`)
	}
	list("hashtags", e.hashtags, func(x entity) { c.raw(`,"start":`).num(x.start).raw(`,"tag":`).str(x.word) })
	list("mentions", e.mentions, func(x entity) { c.raw(`,"start":`).num(x.start).raw(`,"username":`).str(x.word) })
	list("urls", e.urls, func(x entity) {
		expanded := "https://example.com/" + c.letters(20)
		c.subject.urls = append(c.subject.urls, x.word, expanded)
		c.raw(`,"display_url":"example.com/` + c.letters(6) + `","expanded_url":"` + expanded + `","start":`).num(x.start).raw(`,"url":`).str(x.word)
	})
	if before == `,` {
		c.raw(`}`)
	}
}
