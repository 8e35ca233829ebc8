package xapi

import (
	"slices"
	"strings"
)

// Missing returns the operators of a rule that a search for it cannot have,
// as they are written: "bio:", or "~N" for words that are near each other. An
// operator that is not known is missing. The error says that the rule cannot
// be read.
func (e SearchEndpoint) Missing(rule string) ([]string, error) {
	g, err := parseQuery(rule)
	if err != nil {
		return nil, err
	}
	var missing []string
	g.each(func(t term) {
		if name := written(t.operator); e.lacks(t) && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	})
	return missing, nil
}

func (e SearchEndpoint) lacks(t term) bool {
	return t.operator != "" && !slices.Contains(e.operators, t.operator)
}

func written(operator string) string {
	if operator == proximity {
		return "~N"
	}
	return operator + ":"
}

// Strip returns a query that finds at least what a rule matches: the rule
// without the terms whose operators search lacks. Those are removed, as the
// rule has them. A rule that lacks nothing is its own query.
//
// A term is taken out only where the whole rule requires it, for there its
// absence can but widen what is found, whether it is negated or not. ok is
// false where a term stands in a group or beside OR, where none would be left
// that X takes a query of, and where the rule cannot be read.
func (e SearchEndpoint) Strip(rule string) (query string, removed []string, ok bool) {
	g, err := parseQuery(rule)
	if err != nil {
		return "", nil, false
	}
	if !e.lacksAny(g) {
		return rule, nil, true
	}
	if len(g) > 1 {
		return "", nil, false
	}
	var kept []term
	var words []string
	for _, t := range g[0] {
		switch {
		case e.lacks(t):
			removed = append(removed, t.text)
		case e.lacksAny(t.group):
			return "", nil, false
		default:
			kept = append(kept, t)
			words = append(words, t.text)
		}
	}
	if !narrow(kept) {
		return "", nil, false
	}
	return strings.Join(words, " "), removed, true
}

func (e SearchEndpoint) lacksAny(g group) (found bool) {
	g.each(func(t term) { found = found || e.lacks(t) })
	return found
}
