package simulator

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"
)

// composer writes a template, noting its blanks.
type composer struct {
	*template
	*rand.Rand
	ascii bool // escape all that is not ASCII, surrogate pairs included
}

// person is a user that a line names.
type person struct {
	id, username, name, bio string
}

func compose(r *rand.Rand) *template {
	c := &composer{template: &template{}, Rand: r, ascii: r.IntN(6) == 0}
	lang := c.language()
	c.lang = lang.code
	author, other := c.person(lang), c.person(lang)

	// The sizes of X's Posts spread from a bare text to a quoted thread with
	// media: one in ten carries no expansions, one in seven is long.
	bare, long := c.IntN(10) == 0, c.IntN(100) < 15
	kind := pick(c, []string{"", "", "", "", "replied_to", "replied_to", "quoted", "retweeted"})
	if bare {
		kind, long = "", false
	}
	media, place, link := !bare && c.IntN(4) == 0, !bare && c.IntN(16) == 0, c.IntN(3) == 0
	missing := kind != "" && c.IntN(6) == 0 // the other Post is gone: a partial error
	otherID := strconv.FormatInt(1700000000000000000+c.Int64N(1<<56), 10)
	mediaKey := "3_" + strconv.FormatInt(1700000000000000000+c.Int64N(1<<56), 10)

	text, full := c.text(lang, kind, other, long, link, media)
	tags := entitiesOf(text)
	c.subject = subject{
		text: full, lang: lang.code, author: author.username, authorID: author.id,
		retweet: kind == "retweeted", reply: kind == "replied_to", quote: kind == "quoted",
		media: media, geo: place, links: link || media, hashtags: tags.hashtags, mentions: tags.mentions,
	}

	c.raw(`{"data":{`)
	if media {
		c.raw(`"attachments":{"media_keys":[`).str(mediaKey).raw(`]},`)
	}
	c.raw(`"author_id":`).str(author.id)
	if !bare {
		c.raw(`,"context_annotations":[`)
		for i := range c.IntN(3) {
			c.comma(i).annotation()
		}
		c.raw(`]`)
	}
	c.raw(`,"conversation_id":"`)
	if kind == "replied_to" {
		c.raw(otherID)
	} else {
		c.ownID()
	}
	c.raw(`","created_at":"`).blank(&c.created, len(createdFormat)).raw(`"`)
	if !bare {
		c.raw(`,"display_text_range":[0,`).num(utf8.RuneCountInString(text)).raw(`]`)
		c.raw(`,"edit_controls":{"editable_until":"`).blank(&c.until, len(createdFormat)).raw(`","edits_remaining":5,"is_edit_eligible":`).bool(kind == "").raw(`}`)
	}
	c.raw(`,"edit_history_tweet_ids":["`)
	c.history = len(c.body)
	c.ownID().raw(`"]`)
	c.entities(tags)
	if place {
		c.raw(`,"geo":{"place_id":"01a9a39529b27f36"}`)
	}
	c.raw(`,"id":"`).ownID().raw(`"`)
	if kind == "replied_to" {
		c.raw(`,"in_reply_to_user_id":`).str(other.id)
	}
	c.raw(`,"lang":`).str(lang.code)
	if full != text {
		c.raw(`,"note_tweet":{"text":`).str(full).raw(`}`)
	}
	c.raw(`,"possibly_sensitive":`).bool(c.IntN(20) == 0)
	c.raw(`,"public_metrics":{"bookmark_count":0,"impression_count":`).num(c.IntN(3)).raw(`,"like_count":0,"quote_count":0,"reply_count":0,"retweet_count":`).num(c.IntN(900)).raw(`}`)
	if kind != "" {
		c.raw(`,"referenced_tweets":[{"id":`).str(otherID).raw(`,"type":`).str(kind).raw(`}]`)
	}
	c.raw(`,"reply_settings":`).str(pick(c, []string{"everyone", "everyone", "everyone", "mentionedUsers", "following"}))
	c.raw(`,"text":`).str(text).raw(`}`)

	if missing {
		c.raw(`,"errors":[{"detail":"Could not find tweet with referenced_tweets.id: [`).raw(otherID).raw(`].","parameter":"referenced_tweets.id","resource_id":`).str(otherID).
			raw(`,"resource_type":"tweet","title":"Not Found Error","type":"https://api.x.com/2/problems/resource-not-found","value":`).str(otherID).raw(`}]`)
	}
	if !bare {
		c.raw(`,"includes":{`)
		if media {
			c.raw(`"media":[{"alt_text":`).str(c.sentence(lang)).raw(`,"height":1080,"media_key":`).str(mediaKey).raw(`,"type":"photo","url":"https://pbs.twimg.com/media/` + c.letters(15) + `.jpg","width":1920}],`)
		}
		if place {
			name := pick(c, lang.places)
			c.raw(`"places":[{"country_code":"GB","full_name":`).str(name).raw(`,"geo":{"bbox":[-2.319934,53.343623,-2.147026,53.570282],"properties":{},"type":"Feature"},"id":"01a9a39529b27f36","name":`).str(strings.Split(name, ",")[0]).raw(`,"place_type":"city"}],`)
		}
		if kind != "" && !missing {
			quoted := c.sentence(lang)
			c.subject.quoted = quoted
			c.raw(`"tweets":[{"author_id":`).str(other.id).raw(`,"conversation_id":`).str(otherID).raw(`,"created_at":"2024-03-09T12:00:00.000Z","edit_history_tweet_ids":[`).str(otherID).
				raw(`],"id":`).str(otherID).raw(`,"lang":`).str(lang.code).raw(`,"possibly_sensitive":false,"public_metrics":{"bookmark_count":3,"impression_count":`).num(c.IntN(100000)).raw(`,"like_count":`).num(c.IntN(5000)).raw(`,"quote_count":1,"reply_count":12,"retweet_count":`).num(c.IntN(900)).
				raw(`},"reply_settings":"everyone","text":`).str(quoted).raw(`}],`)
		}
		c.raw(`"users":[`).user(author)
		if kind != "" {
			c.raw(`,`).user(other)
		}
		c.raw(`]}`)
	}
	c.raw(`}`)
	return c.template
}

// text returns a Post's text and its full text, which is another one when the
// Post is longer than 280 characters.
func (c *composer) text(lang language, kind string, other person, long, link, media bool) (short, full string) {
	var b strings.Builder
	switch kind {
	case "retweeted":
		b.WriteString("RT @" + other.username + ": ")
	case "replied_to":
		b.WriteString("@" + other.username + " ")
	}
	b.WriteString(strings.Replace(pick(c, lang.sentences), "%", topicMark, 1))
	if c.IntN(3) == 0 {
		b.WriteString(" #" + topicMark)
	}
	for range c.IntN(4) {
		b.WriteString(pick(c, trimmings))
	}
	if link {
		b.WriteString(" https://t.co/" + c.letters(10))
	}
	if media {
		b.WriteString(" https://t.co/" + c.letters(10))
	}
	short = b.String()
	if !long {
		return short, short
	}
	for limit := 300 + c.IntN(1100); b.Len() < limit; {
		b.WriteString(" " + c.sentence(lang) + pick(c, trimmings))
	}
	return short + "…", b.String()
}

// sentence is one without a topic.
func (c *composer) sentence(lang language) string {
	return strings.Replace(pick(c, lang.sentences), "%", "…", 1)
}

func (c *composer) language() language {
	n := c.IntN(100)
	for _, l := range languages {
		if n -= l.weight; n < 0 {
			return l
		}
	}
	return languages[0]
}

func (c *composer) person(lang language) person {
	n := c.IntN(4096)
	return person{
		id:       strconv.FormatInt(1000000000000000000+int64(mix(uint64(n))>>8), 10),
		username: fmt.Sprintf("%s_%04d", []string{"sim", "daily", "real", "its"}[n%4], n),
		name:     pick(c, lang.names),
		bio:      pick(c, bios),
	}
}

func pick[T any](c *composer, of []T) T { return of[c.IntN(len(of))] }

func (c *composer) letters(n int) string {
	const from = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = from[c.IntN(len(from))]
	}
	return string(b)
}

func (c *composer) raw(s string) *composer {
	c.body = append(c.body, s...)
	return c
}

func (c *composer) num(n int) *composer   { return c.raw(strconv.Itoa(n)) }
func (c *composer) bool(b bool) *composer { return c.raw(strconv.FormatBool(b)) }

// comma writes one before every element but the first.
func (c *composer) comma(i int) *composer {
	if i > 0 {
		c.raw(",")
	}
	return c
}

// blank leaves n characters to be filled in and notes where.
func (c *composer) blank(at *[]int, n int) *composer {
	*at = append(*at, len(c.body))
	return c.raw(strings.Repeat("0", n))
}

func (c *composer) ownID() *composer { return c.blank(&c.ids, idLength) }

// str writes a JSON string. Topic marks become blanks.
func (c *composer) str(s string) *composer {
	c.raw(`"`)
	for i, part := range strings.Split(s, topicMark) {
		if i > 0 {
			c.blank(&c.topics, topicLength)
		}
		for _, r := range part {
			c.char(r)
		}
	}
	return c.raw(`"`)
}

func (c *composer) char(r rune) {
	switch {
	case r == '"' || r == '\\':
		c.body = append(c.body, '\\', byte(r))
	case r == '\n':
		c.raw(`\n`)
	case r == '\r':
		c.raw(`\r`)
	case r == '\t':
		c.raw(`\t`)
	case r < ' ' || r == 0x2028:
		c.body = fmt.Appendf(c.body, `\u%04x`, r)
	case c.ascii && r == '/':
		c.raw(`\/`)
	case c.ascii && r > 0xffff:
		r -= 0x10000
		c.body = fmt.Appendf(c.body, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	case c.ascii && r > '~':
		c.body = fmt.Appendf(c.body, `\u%04x`, r)
	default:
		c.body = utf8.AppendRune(c.body, r)
	}
}

func (c *composer) annotation() {
	a := annotations[c.IntN(len(annotations))]
	c.raw(`{"domain":{"description":`).str(a.about).raw(`,"id":`).str(a.domainID).raw(`,"name":`).str(a.domain).
		raw(`},"entity":{"id":`).str(a.entityID).raw(`,"name":`).str(a.entity).raw(`}}`)
}

func (c *composer) user(p person) *composer {
	return c.raw(`{"created_at":"2017-05-01T09:30:00.000Z","description":`).str(p.bio).raw(`,"id":`).str(p.id).
		raw(`,"location":`).str(pick(c, languages).places[0]).raw(`,"name":`).str(p.name).
		raw(`,"profile_image_url":"https://pbs.twimg.com/profile_images/` + p.id + `/` + c.letters(8) + `_normal.jpg","protected":false,"public_metrics":{"followers_count":`).num(c.IntN(90000)).
		raw(`,"following_count":`).num(c.IntN(2000)).raw(`,"like_count":`).num(c.IntN(50000)).raw(`,"listed_count":`).num(c.IntN(90)).raw(`,"media_count":`).num(c.IntN(900)).raw(`,"tweet_count":`).num(c.IntN(70000)).
		raw(`},"username":`).str(p.username).raw(`,"verified":`).bool(c.IntN(5) == 0).raw(`}`)
}

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
		c.raw(`,"display_url":"example.com/` + c.letters(6) + `","expanded_url":"https://example.com/` + c.letters(20) + `","start":`).num(x.start).raw(`,"url":`).str(x.word)
	})
	if before == `,` {
		c.raw(`}`)
	}
}
