package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// subject is what a rule can ask about a Post. In a template its words still
// have topic marks.
type subject struct {
	text, quoted                             string
	lang, author, authorID                   string
	hashtags, mentions                       []entity
	retweet, reply, quote, media, geo, links bool
}

// document is a subject prepared for matching: in lower case and cut into tokens.
type document struct {
	subject
	folded   string
	tokens   []string
	hashtags []string
	mentions []string
}

func newDocument(s subject, topic string) *document {
	d := &document{subject: s}
	// A quoting Post also matches by what it quotes; U+0001 keeps phrases apart.
	d.folded = strings.ToLower(strings.ReplaceAll(s.text, topicMark, topic) + " \x01 " + s.quoted)
	d.tokens = tokens(d.folded)
	for _, h := range s.hashtags {
		d.hashtags = append(d.hashtags, strings.ReplaceAll(h.word, topicMark, topic))
	}
	for _, m := range s.mentions {
		d.mentions = append(d.mentions, strings.ToLower(m.word))
	}
	return d
}

func tokens(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '_' && r != '\x01'
	})
}

// expression is a part of a rule.
type expression interface {
	match(*document) bool
	// anchored is whether the part narrows the stream by itself. X refuses rules
	// that do not (docs.x.com: filtered-stream/integrate/build-a-rule).
	anchored() bool
}

type (
	and  []expression
	or   []expression
	not  struct{ expression }
	term struct {
		standalone bool
		test       func(*document) bool
	}
)

func (a and) match(d *document) bool {
	return !slices.ContainsFunc(a, func(e expression) bool { return !e.match(d) })
}
func (a and) anchored() bool { return slices.ContainsFunc(a, expression.anchored) }

func (o or) match(d *document) bool {
	return slices.ContainsFunc(o, func(e expression) bool { return e.match(d) })
}
func (o or) anchored() bool {
	return !slices.ContainsFunc(o, func(e expression) bool { return !e.anchored() })
}

func (n not) match(d *document) bool { return !n.expression.match(d) }
func (n not) anchored() bool         { return false }

func (t term) match(d *document) bool { return t.test(d) }
func (t term) anchored() bool         { return t.standalone }

// parseRule reads a rule of X's language, as far as the simulator knows it:
// keywords, emoji, "phrases", #, @, from:, lang:, is: and has:, with -, OR and
// parentheses.
func parseRule(value string) (expression, error) {
	p := &ruleParser{}
	if err := p.split(value); err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if len(p.words) > 0 {
		return nil, errors.New("no viable alternative at input ')'")
	}
	if !e.anchored() {
		return nil, errors.New("rules must contain at least one positive, standalone operator in each of their alternatives")
	}
	return e, nil
}

type ruleParser struct {
	words []string // left to read: ( ) OR, or an operator with its - and quotes
}

func (p *ruleParser) split(value string) error {
	for value = strings.TrimSpace(value); value != ""; value = strings.TrimLeftFunc(value, unicode.IsSpace) {
		end := 1
		if value[0] != '(' && value[0] != ')' {
			quoted := false
			end = strings.IndexFunc(value, func(r rune) bool {
				if r == '"' {
					quoted = !quoted
				}
				return !quoted && (unicode.IsSpace(r) || r == '(' || r == ')')
			})
			if end < 0 {
				end = len(value)
			}
			if strings.Count(value[:end], `"`)%2 != 0 {
				return errors.New("a quotation mark is not closed")
			}
			if value[:end] == "-" && strings.HasPrefix(value[end:], "(") {
				return errors.New("do not negate groups: negate each operator in them")
			}
		}
		p.words = append(p.words, value[:end])
		value = value[end:]
	}
	return nil
}

func (p *ruleParser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

func (p *ruleParser) take() string {
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

func (p *ruleParser) or() (expression, error) {
	var alternatives or
	for {
		e, err := p.and()
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, e)
		if p.peek() != "OR" {
			return alternatives, nil
		}
		p.take()
	}
}

func (p *ruleParser) and() (expression, error) {
	var all and
	for p.peek() != "" && p.peek() != "OR" && p.peek() != ")" {
		e, err := p.operand()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, errors.New("an operator is missing")
	}
	return all, nil
}

func (p *ruleParser) operand() (expression, error) {
	word := p.take()
	if word == "(" {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		if p.peek() != ")" {
			return nil, errors.New("a parenthesis is not closed")
		}
		p.take()
		return e, nil
	}
	if negated, ok := strings.CutPrefix(word, "-"); ok {
		e, err := parseTerm(negated)
		return not{e}, err
	}
	return parseTerm(word)
}

func parseTerm(word string) (expression, error) {
	word = strings.ToLower(word)
	operator, value, _ := strings.Cut(word, ":")
	switch {
	case strings.HasPrefix(word, `"`):
		return parsePhrase(word)
	case strings.HasPrefix(word, "#") && len(word) > 1:
		return term{true, func(d *document) bool { return slices.Contains(d.hashtags, word[1:]) }}, nil
	case strings.HasPrefix(word, "@") && len(word) > 1:
		return term{true, func(d *document) bool { return slices.Contains(d.mentions, word[1:]) }}, nil
	case operator == word:
		return parsePhrase(word)
	case value == "":
		return nil, fmt.Errorf("operator %s: has no value", operator)
	case operator == "from":
		return term{true, func(d *document) bool { return d.author == value || d.authorID == value }}, nil
	case operator == "lang":
		return term{false, func(d *document) bool { return d.lang == value }}, nil
	}
	test, ok := flags[word]
	if !ok {
		return nil, fmt.Errorf("reference to invalid operator '%s'", word)
	}
	return term{false, test}, nil
}

// flags are the operators that ask about a Post's kind and content.
var flags = map[string]func(*document) bool{
	"is:retweet":   func(d *document) bool { return d.retweet },
	"is:reply":     func(d *document) bool { return d.reply },
	"is:quote":     func(d *document) bool { return d.quote },
	"is:nullcast":  func(*document) bool { return false },
	"has:media":    func(d *document) bool { return d.media },
	"has:images":   func(d *document) bool { return d.media },
	"has:links":    func(d *document) bool { return d.links },
	"has:geo":      func(d *document) bool { return d.geo },
	"has:hashtags": func(d *document) bool { return len(d.hashtags) > 0 },
	"has:mentions": func(d *document) bool { return len(d.mentions) > 0 },
}

// parsePhrase makes a keyword or an exact phrase: tokens in a row. Words of
// scripts without spaces, and emoji, match anywhere in the text.
func parsePhrase(word string) (expression, error) {
	text, ok := strings.CutSuffix(strings.TrimPrefix(word, `"`), `"`)
	if strings.HasPrefix(word, `"`) && !ok || strings.Contains(text, `"`) {
		return nil, fmt.Errorf("reference to invalid operator '%s'", word)
	}
	want := tokens(text)
	if len(want) == 0 || strings.ContainsFunc(text, unspaced) {
		if strings.TrimSpace(text) == "" {
			return nil, errors.New("a phrase is empty")
		}
		return term{true, func(d *document) bool { return strings.Contains(d.folded, text) }}, nil
	}
	return term{true, func(d *document) bool {
		for i := range d.tokens {
			if len(d.tokens)-i >= len(want) && slices.Equal(d.tokens[i:i+len(want)], want) {
				return true
			}
		}
		return false
	}}, nil
}

func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}
