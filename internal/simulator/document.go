package simulator

import (
	"slices"
	"strings"
	"unicode"
)

// subject is what a rule or a query can ask about a Post. In a template its
// words still have topic marks.
type subject struct {
	number             int // of the template
	text, quoted       string
	lang               string
	author, other      person // other: whom it answers, quotes or repeats
	kind, otherID      string // of the reference to the other's Post
	hashtags, mentions []entity
	urls               []string // in both of their forms
	contexts, entities []string // domain.entity, and the entities' names in lower case
	media              bool
	place              string
	reposts            int
}

// document is a subject prepared for matching.
type document struct {
	subject
	own      passage // what the Post says itself: all that search sees
	all      passage // with what it quotes, as the filtered stream sees it
	hashtags []string
	mentions []string
	draw     uint64 // random bits
}

// apart is a token that keeps phrases of two texts apart.
const apart = "\x01"

func newDocument(s subject, topic string) *document {
	d := &document{subject: s, draw: mix(uint64(s.number) + 1)}
	for _, b := range []byte(topic) {
		d.draw = mix(d.draw + uint64(b))
	}
	words := strings.ReplaceAll(s.text, topicMark, topic)
	d.own = newPassage(words)
	d.all = d.own
	if s.quoted != "" {
		d.all = newPassage(words + " " + apart + " " + s.quoted)
	}
	for _, h := range s.hashtags {
		d.hashtags = append(d.hashtags, strings.ReplaceAll(h.word, topicMark, topic))
	}
	for _, m := range s.mentions {
		d.mentions = append(d.mentions, strings.ToLower(m.word))
	}
	return d
}

// passage is a text in lower case, and cut into tokens.
type passage struct {
	folded string
	tokens []string
}

func newPassage(text string) passage {
	folded := strings.ToLower(text)
	return passage{folded, tokens(folded)}
}

func tokens(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '_' && r != '\x01'
	})
}

// phrase is a keyword, or tokens in a row. Words of scripts without spaces, and
// emoji, match anywhere in a text.
type phrase struct {
	text   string
	tokens []string // nil: match anywhere
}

func newPhrase(lower string) phrase {
	p := phrase{text: lower, tokens: tokens(lower)}
	if strings.ContainsFunc(lower, unspaced) || len(p.tokens) == 0 {
		p.tokens = nil
	}
	return p
}

func (p phrase) in(t passage) bool {
	if p.tokens == nil {
		return strings.Contains(t.folded, p.text)
	}
	for i := range t.tokens {
		if len(t.tokens)-i >= len(p.tokens) && slices.Equal(t.tokens[i:i+len(p.tokens)], p.tokens) {
			return true
		}
	}
	return false
}

// near reports whether all of the tokens are in t with no two more than so many
// tokens from each other.
func (p phrase) near(t passage, distance int) bool {
	for i := range t.tokens {
		window := t.tokens[i:min(len(t.tokens), i+distance+1)]
		if end := slices.Index(window, apart); end >= 0 {
			window = window[:end]
		}
		if !slices.ContainsFunc(p.tokens, func(want string) bool { return !slices.Contains(window, want) }) {
			return true
		}
	}
	return false
}

func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}

// unaccented takes accents off Latin letters in lower case.
func unaccented(s string) string {
	s = accents.Replace(s)
	return strings.Map(func(r rune) rune {
		if r >= 0x300 && r < 0x370 { // combining
			return -1
		}
		return r
	}, s)
}

var accents = strings.NewReplacer("à", "a", "á", "a", "â", "a", "ã", "a", "ä", "a", "å", "a", "ç", "c", "è", "e", "é", "e", "ê", "e", "ë", "e",
	"ğ", "g", "ì", "i", "í", "i", "î", "i", "ï", "i", "ñ", "n", "ò", "o", "ó", "o", "ô", "o", "õ", "o", "ö", "o", "ş", "s",
	"ù", "u", "ú", "u", "û", "u", "ü", "u", "ý", "y", "ÿ", "y")
