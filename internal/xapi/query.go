package xapi

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// group is a rule or a search query, or what stands in parentheses in one:
// alternatives joined by OR, each of terms that all have to match. X joins by
// AND first (docs.x.com: posts/search/integrate/build-a-query).
type group [][]term

// term is a keyword, a phrase, an operator with its value, or a group.
type term struct {
	text     string // as it stands in the rule, with a negation
	negated  bool
	operator string // in lower case, without its colon; "": a keyword, a phrase or a group
	group    group  // nil: it is no group
}

// proximity is the operator of "two words"~3, which has no name.
const proximity = "~"

// each calls f with all terms that are no groups.
func (g group) each(f func(term)) {
	for _, terms := range g {
		for _, t := range terms {
			if t.group != nil {
				t.group.each(f)
			} else {
				f(t)
			}
		}
	}
}

// narrows says whether a group matches few enough Posts to be a rule: whether
// each alternative has a standalone term (docs.x.com:
// posts/search/integrate/build-a-query).
func (g group) narrows() bool {
	for _, terms := range g {
		if !narrow(terms) {
			return false
		}
	}
	return true
}

// narrow does the same for terms that all have to match.
func narrow(terms []term) bool {
	for _, t := range terms {
		if t.standalone() {
			return true
		}
	}
	return false
}

// standalone says whether X takes a rule of this term alone.
func (t term) standalone() bool {
	switch {
	case t.negated:
		return false
	case t.group != nil:
		return t.group.narrows()
	}
	switch t.operator {
	case "is", "has", "lang", "sample", "embedding_threshold":
		return false
	}
	return true
}

// maxNesting bounds the parentheses in parentheses that a rule may have, for
// each takes space on the stack. X's own rules have 2,048 characters at most.
const maxNesting = 1024

// parseQuery reads a rule or a query.
func parseQuery(text string) (group, error) {
	p := &queryParser{text: text}
	g, err := p.group()
	if err == nil && p.at < len(text) {
		err = p.wrong("a parenthesis that was not opened is closed")
	}
	if err != nil {
		return nil, fmt.Errorf("the rule cannot be read: %w", err)
	}
	return g, nil
}

// queryParser reads a rule from left to right.
type queryParser struct {
	text  string
	at    int
	depth int
}

func (p *queryParser) wrong(what string) error {
	return fmt.Errorf("%s (at position %d)", what, utf8.RuneCountInString(p.text[:p.at])+1)
}

// group reads up to a closing parenthesis or the end.
func (p *queryParser) group() (group, error) {
	var g group
	for {
		terms, err := p.terms()
		if err != nil {
			return nil, err
		}
		g = append(g, terms)
		if !p.atOR() {
			return g, nil
		}
		p.at += len("OR")
	}
}

// terms reads up to an OR, a closing parenthesis or the end.
func (p *queryParser) terms() ([]term, error) {
	var terms []term
	for p.skipSpace(); p.at < len(p.text) && p.text[p.at] != ')' && !p.atOR(); p.skipSpace() {
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
	}
	if len(terms) == 0 {
		return nil, p.wrong("a keyword or an operator is missing")
	}
	return terms, nil
}

// atOR tells an OR from a word that begins so. In lower case it is a keyword.
func (p *queryParser) atOR() bool {
	return p.text[p.at:p.wordEnd()] == "OR"
}

func (p *queryParser) skipSpace() {
	p.at = len(p.text) - len(strings.TrimLeftFunc(p.text[p.at:], unicode.IsSpace))
}

// wordEnd is where a word ends that goes on where the parser is.
func (p *queryParser) wordEnd() int {
	n := strings.IndexFunc(p.text[p.at:], func(r rune) bool {
		return unicode.IsSpace(r) || r == '(' || r == ')' || r == '"'
	})
	if n < 0 {
		return len(p.text)
	}
	return p.at + n
}

func (p *queryParser) term() (t term, err error) {
	start := p.at
	p.at = len(p.text) - len(strings.TrimLeft(p.text[p.at:], "-"))
	t.negated = p.at > start
	switch rest := p.text[p.at:]; {
	case rest == "":
		t.negated = false // a dash with nothing to negate is a keyword
	case rest[0] == '(':
		t.group, err = p.parentheses()
	case rest[0] == '"':
		t.operator, err = p.phrase()
	default:
		if p.at == p.wordEnd() {
			t.negated = false
		}
		t.operator, err = p.word()
	}
	t.text = p.text[start:p.at]
	return t, err
}

func (p *queryParser) parentheses() (group, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.wrong("too many parentheses are open")
	}
	p.at++
	g, err := p.group()
	if err != nil {
		return nil, err
	}
	if p.at == len(p.text) {
		return nil, p.wrong("a parenthesis is not closed")
	}
	p.at++
	p.depth--
	return g, nil
}

// phrase reads a quoted phrase, and ~N behind it.
func (p *queryParser) phrase() (operator string, err error) {
	if err := p.quoted(); err != nil {
		return "", err
	}
	behind, ok := strings.CutPrefix(p.text[p.at:], "~")
	digits := len(behind) - len(strings.TrimLeft(behind, "0123456789"))
	if !ok || digits == 0 {
		return "", nil
	}
	p.at += len("~") + digits
	return proximity, nil
}

// quoted passes a quoted text, in which \" is no end (docs.x.com:
// enterprise-gnip-2.0/fundamentals/rules-filtering).
func (p *queryParser) quoted() error {
	for i := p.at + 1; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			i++
		case '"':
			p.at = i + 1
			return nil
		}
	}
	return p.wrong("a quotation mark is not closed")
}

// word reads a keyword, or an operator and its value: a word, something
// quoted, or a place in brackets.
func (p *queryParser) word() (operator string, err error) {
	rest := p.text[p.at:]
	name := rest[:len(rest)-len(strings.TrimLeftFunc(rest, isNameRune))]
	if name == "" || !strings.HasPrefix(rest[len(name):], ":") {
		p.at = p.wordEnd()
		return "", nil
	}
	p.at += len(name) + len(":")
	switch value := p.text[p.at:]; {
	case strings.HasPrefix(value, `"`):
		err = p.quoted()
	case strings.HasPrefix(value, "["):
		end := strings.IndexByte(value, ']')
		if end < 0 {
			return "", p.wrong("a bracket is not closed")
		}
		p.at += end + 1
	}
	p.at = p.wordEnd()
	return strings.ToLower(name), err
}

func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}
