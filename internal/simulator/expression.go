package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// product is where an expression of X's language stands: each has operators of
// its own.
type product uint8

const (
	filteredRules product = 1 << iota
	recentSearch
	archiveSearch

	bothSearches = recentSearch | archiveSearch
	everywhere   = filteredRules | bothSearches
)

// expression is a part of a rule or of a query.
type expression interface {
	match(*document) bool
	// anchored is whether the part narrows the stream by itself. X refuses rules
	// and queries that do not (docs.x.com: filtered-stream/integrate/build-a-rule
	// and search/integrate/build-a-query).
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

// parseExpression reads an expression with the operators of one product.
func parseExpression(value string, in product) (expression, error) {
	p := &parser{in: in}
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
		return nil, errors.New("there must be at least one positive, standalone operator in each of the alternatives")
	}
	return e, nil
}

type parser struct {
	in    product
	words []word // left to read
}

// word is ( ) OR, or an operator with its - and quotes.
type word struct {
	text string
	at   int // its position, from 1 on, as X's errors count
}

func (p *parser) split(value string) error {
	for at := 0; ; {
		at += len(value[at:]) - len(strings.TrimLeftFunc(value[at:], unicode.IsSpace))
		rest := value[at:]
		if rest == "" {
			return nil
		}
		n := 1
		if rest[0] != '(' && rest[0] != ')' {
			var err error
			if n, err = wordLength(rest); err != nil {
				return err
			}
			if rest[:n] == "-" && strings.HasPrefix(rest[n:], "(") {
				return errors.New("do not negate groups: negate each operator in them")
			}
		}
		p.words = append(p.words, word{rest[:n], utf8.RuneCountInString(value[:at]) + 1})
		at += n
	}
}

// wordLength is how many bytes the first word of s has: it ends at a space or a
// parenthesis that stands neither in quotation marks nor in brackets.
func wordLength(s string) (int, error) {
	var quoted, escaped, bracketed bool
	for i, r := range s {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped = r == '\\'
			quoted = r != '"'
		case r == '"':
			quoted = true
		case r == '[' && i > 0 && s[i-1] == ':':
			bracketed = true
		case bracketed:
			bracketed = r != ']'
		case unicode.IsSpace(r) || r == '(' || r == ')':
			return i, nil
		}
	}
	if quoted || bracketed {
		return 0, errors.New("a quotation mark or bracket is not closed")
	}
	return len(s), nil
}

func (p *parser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0].text
}

func (p *parser) take() word {
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *parser) or() (expression, error) {
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

func (p *parser) and() (expression, error) {
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

func (p *parser) operand() (expression, error) {
	w := p.take()
	if w.text == "(" {
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
	if negated, ok := strings.CutPrefix(w.text, "-"); ok {
		e, err := p.term(word{negated, w.at + 1}, true)
		return not{e}, err
	}
	return p.term(w, false)
}

// term reads one operator.
func (p *parser) term(w word, negated bool) (expression, error) {
	text := strings.ToLower(w.text)
	name, value, named := strings.Cut(text, ":")
	switch {
	case strings.HasPrefix(text, `"`):
		return p.phrase(w)
	case strings.HasPrefix(text, "#") && len(text) > 1:
		return p.hashtag(text[1:]), nil
	case strings.HasPrefix(text, "@") && len(text) > 1:
		return term{true, func(d *document) bool { return slices.Contains(d.mentions, text[1:]) }}, nil
	case strings.HasPrefix(text, "$") && len(text) > 1:
		return term{true, func(*document) bool { return false }}, nil // no Post names a share
	case !named:
		return p.phrase(w)
	case value == "":
		return nil, fmt.Errorf("operator %s: has no value", name)
	}
	o, known := operators[text]
	if !known {
		o, known = operators[name]
	}
	if !known || o.in&p.in == 0 {
		return nil, invalidOperator(name, w.at)
	}
	if o.negation == never && negated {
		return nil, fmt.Errorf("operator %s must not be negated (at position %d)", name, w.at)
	}
	if o.negation == always && !negated {
		return nil, fmt.Errorf("operator %s must always be negated (at position %d)", text, w.at)
	}
	value, err := unquoted(value)
	if err != nil {
		return nil, fmt.Errorf("operator %s: %w", name, err)
	}
	test, err := o.test(value)
	if err != nil {
		return nil, fmt.Errorf("operator %s: %w", name, err)
	}
	return term{!o.conjunction, test}, nil
}

// invalidOperator is in X's words, but for the address.
func invalidOperator(name string, at int) error {
	return fmt.Errorf("Reference to invalid operator '%s'. Operator is not available in current product or product packaging. "+
		"Please refer to complete available operator list at https://docs.x.com. (at position %d)", name, at)
}

// phrase reads a keyword or an exact phrase, or "tokens near each other"~N.
// Search sees only what a Post says itself, and a word with accents finds the
// word without them too (docs.x.com: search/integrate/build-a-query).
func (p *parser) phrase(w word) (expression, error) {
	text, distance, near := w.text, 0, false
	if i := strings.LastIndex(text, `"~`); i > 0 {
		if _, err := fmt.Sscanf(text[i:], `"~%d`, &distance); err != nil || distance < 1 || distance > 6 {
			return nil, fmt.Errorf("a proximity is not between 1 and 6 (at position %d)", w.at)
		}
		if p.in != filteredRules {
			return nil, invalidOperator("~", w.at)
		}
		text, near = text[:i+1], true
	}
	text, err := unquoted(text)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("a phrase is empty")
	}
	want := newPhrase(strings.ToLower(text))
	switch {
	case near:
		return term{true, func(d *document) bool { return want.near(d.all, distance) }}, nil
	case p.in == filteredRules:
		return term{true, func(d *document) bool { return want.in(d.all) }}, nil
	}
	plain := newPhrase(unaccented(want.text))
	return term{true, func(d *document) bool { return want.in(d.own) || plain.in(d.own) }}, nil
}

func (p *parser) hashtag(tag string) expression {
	plain := tag
	if p.in != filteredRules {
		plain = unaccented(tag)
	}
	return term{true, func(d *document) bool { return slices.Contains(d.hashtags, tag) || slices.Contains(d.hashtags, plain) }}
}

// unquoted takes the quotation marks off a value that has them.
func unquoted(value string) (string, error) {
	quoted, ok := strings.CutPrefix(value, `"`)
	if !ok {
		if strings.Contains(value, `"`) {
			return "", errors.New("a quotation mark stands in the middle")
		}
		return value, nil
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		switch {
		case quoted[i] == '\\' && i+1 < len(quoted):
			i++
		case quoted[i] == '"':
			if i+1 < len(quoted) {
				return "", errors.New("a quotation mark stands in the middle")
			}
			return b.String(), nil
		}
		b.WriteByte(quoted[i])
	}
	return "", errors.New("a quotation mark is not closed")
}
