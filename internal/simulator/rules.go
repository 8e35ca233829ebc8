package simulator

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Rule is one rule of the filtered stream.
type Rule struct {
	ID    string `json:"id,omitempty"` // chosen by the simulator: a function of Value
	Value string `json:"value"`
	Tag   string `json:"tag,omitempty"`
}

// defaultRules split the topics in two, so that together they match every Post once.
func defaultRules() []Rule {
	half := len(topics) / 2
	return []Rule{
		{Value: strings.Join(topics[:half], " OR "), Tag: "first half of the topics"},
		{Value: strings.Join(topics[half:], " OR "), Tag: "second half of the topics"},
	}
}

// rules are the rules of the filtered stream at every moment: the only thing
// that the simulator records.
type rules struct {
	delay time.Duration
	mu    sync.RWMutex
	sets  []*ruleSet // by since
}

// ruleSet is the rules in effect from a moment on, until the next set's.
type ruleSet struct {
	since   int64 // Unix nanoseconds
	rules   []parsedRule
	once    sync.Once
	matches []atomic.Pointer[match] // by wording, filled as Posts ask
}

type parsedRule struct {
	Rule
	expression expression
}

// match is the end of a Post's line: its matching_rules, with the closing brace.
// It is empty when no rule matches.
type match struct{ suffix []byte }

func newRules(initial []Rule, delay time.Duration) (*rules, error) {
	set := &ruleSet{since: historyStart.UnixNano()}
	for _, r := range initial {
		parsed, err := newRule(r)
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", r.Value, err)
		}
		if set.find(func(have Rule) bool { return have.Value == r.Value }) >= 0 {
			return nil, fmt.Errorf("rule %q: given twice", r.Value)
		}
		set.rules = append(set.rules, parsed)
	}
	return &rules{delay: delay, sets: []*ruleSet{set}}, nil
}

func newRule(r Rule) (parsedRule, error) {
	e, err := parseExpression(r.Value, filteredRules)
	if err != nil {
		return parsedRule{}, err
	}
	h := fnv.New64a()
	h.Write([]byte(r.Value))
	r.ID = strconv.FormatUint(1_800_000_000_000_000_000+mix(h.Sum64())%100_000_000_000_000_000, 10)
	return parsedRule{Rule: r, expression: e}, nil
}

// at returns the rules in effect at a moment.
func (r *rules) at(ns int64) *ruleSet {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.atLocked(ns)
}

func (r *rules) atLocked(ns int64) *ruleSet {
	i, _ := slices.BinarySearchFunc(r.sets, ns, func(s *ruleSet, ns int64) int {
		if s.since <= ns {
			return -1
		}
		return 1
	})
	return r.sets[max(0, i-1)]
}

// hold returns the present moment and keeps it from becoming older than a
// change of rules until release is called: what is delivered before the moment
// is matched by rules that are final.
func (r *rules) hold() (now time.Time, release func()) {
	r.mu.RLock()
	return time.Now(), r.mu.RUnlock
}

// latest returns the rules as they were last set, in effect or not yet.
func (r *rules) latest() []Rule {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sets[len(r.sets)-1].list()
}

// change lets edit make new rules of the latest; they take effect after the
// delay. An edit that returns nil changes nothing.
func (r *rules) change(edit func(*ruleSet) []parsedRule) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if changed := edit(r.sets[len(r.sets)-1]); changed != nil {
		r.sets = append(r.sets, &ruleSet{since: time.Now().Add(r.delay).UnixNano(), rules: changed})
	}
}

func (s *ruleSet) list() []Rule {
	list := make([]Rule, len(s.rules))
	for i, r := range s.rules {
		list[i] = r.Rule
	}
	return list
}

func (s *ruleSet) find(is func(Rule) bool) int {
	return slices.IndexFunc(s.rules, func(r parsedRule) bool { return is(r.Rule) })
}

// match returns nil when no rule matches p.
func (s *ruleSet) match(h *history, p post) *match {
	s.once.Do(func() { s.matches = make([]atomic.Pointer[match], wordings) })
	wording := h.wording(p)
	known := &s.matches[wording]
	m := known.Load()
	if m == nil {
		m = s.evaluate(documentOf(wording))
		known.Store(m)
	}
	if len(m.suffix) == 0 {
		return nil
	}
	return m
}

func (s *ruleSet) evaluate(d *document) *match {
	type matching struct {
		ID  string `json:"id"`
		Tag string `json:"tag,omitempty"`
	}
	var found []matching
	for _, r := range s.rules {
		if r.expression.match(d) {
			found = append(found, matching{r.ID, r.Tag})
		}
	}
	if found == nil {
		return &match{}
	}
	list, err := json.Marshal(found)
	if err != nil { // strings always marshal
		panic(err)
	}
	return &match{suffix: slices.Concat([]byte(`,"matching_rules":`), list, []byte("}"))}
}
