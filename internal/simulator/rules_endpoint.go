package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxRulesBody bounds a request that changes rules.
const maxRulesBody = 8 << 20

// rulesAnswer is X's answer to both methods of the rules endpoint.
type rulesAnswer struct {
	Data   []Rule        `json:"data,omitempty"`
	Meta   rulesMeta     `json:"meta"`
	Errors []ruleProblem `json:"errors,omitempty"`
}

type rulesMeta struct {
	Sent        time.Time      `json:"sent"`
	ResultCount *int           `json:"result_count,omitempty"`
	NextToken   string         `json:"next_token,omitempty"`
	Summary     map[string]int `json:"summary,omitempty"`
}

type ruleProblem struct {
	Value   string   `json:"value,omitempty"`
	ID      string   `json:"id,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Details []string `json:"details,omitempty"`
	Title   string   `json:"title"`
	Type    string   `json:"type"`
}

func (a rulesAnswer) write(w http.ResponseWriter, status int) {
	a.Meta.Sent = time.Now().UTC()
	writeJSON(w, "application/json; charset=utf-8", status, a)
}

// getRules lists the rules: all, or those with some ids, up to 1,000 a page.
func (s *Simulator) getRules(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	size, start := 1000, 0
	var err error
	if q.Has("max_results") {
		if size, err = strconv.Atoi(q.Get("max_results")); err != nil || size < 1 || size > 1000 {
			invalid("max_results", q["max_results"], "The `max_results` query parameter value [%s] is not between 1 and 1000", q.Get("max_results")).write(w)
			return
		}
	}
	if q.Has("pagination_token") {
		if start, err = strconv.Atoi(q.Get("pagination_token")); err != nil || start < 0 {
			invalid("pagination_token", q["pagination_token"], "The `pagination_token` query parameter value is not valid").write(w)
			return
		}
	}
	list := s.rules.latest()
	if ids := splitList(q.Get("ids")); ids != nil {
		list = slices.DeleteFunc(list, func(r Rule) bool { return !slices.Contains(ids, r.ID) })
	}
	var answer rulesAnswer
	start = min(start, len(list))
	end := min(start+size, len(list))
	answer.Data = list[start:end]
	if end < len(list) {
		answer.Meta.NextToken = fmt.Sprintf("%016d", end) // X's tokens have 16 characters
	}
	n := len(answer.Data)
	answer.Meta.ResultCount = &n
	answer.write(w, http.StatusOK)
}

// rulesChange is the body of a request that changes rules.
type rulesChange struct {
	Add []struct {
		Value string `json:"value"`
		Tag   string `json:"tag"`
	} `json:"add"`
	Delete *struct {
		IDs    []string `json:"ids"`
		Values []string `json:"values"`
	} `json:"delete"`
}

// postRules adds or deletes rules; with dry_run it only says what it would do.
func (s *Simulator) postRules(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var change rulesChange
	body, err := readAll(w, r, maxRulesBody)
	var all, dryRun bool
	for name, is := range map[string]*bool{"delete_all": &all, "dry_run": &dryRun} {
		if value := q.Get(name); value != "" && err == nil {
			// tweepy writes True.
			if *is, err = strconv.ParseBool(value); err != nil {
				err = fmt.Errorf("%s must be true or false", name)
			}
		}
	}
	if err == nil && !(all && len(body) == 0) {
		err = unmarshalStrict(body, &change)
	}
	if err != nil {
		invalid("", nil, "the request is not what it should be: %v", err).write(w)
		return
	}
	chosen := 0
	for _, is := range []bool{all, change.Add != nil, change.Delete != nil} {
		if is {
			chosen++
		}
	}
	if chosen != 1 {
		invalid("", nil, "exactly one of add, delete or ?delete_all=true must be given").write(w)
		return
	}
	var answer rulesAnswer
	status := http.StatusOK
	s.rules.change(func(now *ruleSet) []parsedRule {
		var next []parsedRule
		if change.Add != nil {
			next, status = s.addRules(now, change, &answer)
		} else {
			next = deleteRules(now, change, all, &answer)
		}
		if dryRun {
			return nil
		}
		return next
	})
	answer.write(w, status)
}

// addRules returns the rules with new ones, or nil if nothing is added: an
// invalid rule spoils the request, a duplicate only itself.
func (s *Simulator) addRules(now *ruleSet, change rulesChange, answer *rulesAnswer) ([]parsedRule, int) {
	next := &ruleSet{rules: slices.Clone(now.rules)}
	failed := 0
	for _, add := range change.Add {
		rule, err := newRule(Rule{Value: add.Value, Tag: add.Tag})
		if n := utf8.RuneCountInString(add.Value); err == nil && n > s.account.RuleLength {
			err = fmt.Errorf("rule length %d exceeds the limit of %d", n, s.account.RuleLength)
		}
		have := next.find(func(r Rule) bool { return r.Value == add.Value })
		switch {
		case err != nil:
			failed++
			answer.Errors = append(answer.Errors, ruleProblem{Value: add.Value, Details: []string{err.Error()},
				Title: "UnprocessableEntity", Type: problemTypes + "invalid-rules"})
		case have >= 0:
			answer.Errors = append(answer.Errors, ruleProblem{Value: add.Value, ID: next.rules[have].ID,
				Title: "DuplicateRule", Type: problemTypes + "duplicate-rules"})
		case len(next.rules) >= s.account.Rules:
			failed++
			answer.Errors = append(answer.Errors, ruleProblem{Value: add.Value, Detail: fmt.Sprintf("Rules cap of %d exceeded", s.account.Rules),
				Title: "RulesCapExceeded", Type: problemTypes + "rule-cap"})
		default:
			next.rules = append(next.rules, rule)
			answer.Data = append(answer.Data, rule.Rule)
		}
	}
	if failed > 0 {
		answer.Data = nil
	}
	created := len(answer.Data)
	answer.Meta.Summary = map[string]int{"created": created, "not_created": len(change.Add) - created,
		"valid": len(change.Add) - failed, "invalid": failed}
	if created == 0 {
		return nil, http.StatusBadRequest
	}
	return next.rules, http.StatusCreated
}

// deleteRules returns the rules that stay.
func deleteRules(now *ruleSet, change rulesChange, all bool, answer *rulesAnswer) []parsedRule {
	stay := slices.Clone(now.rules)
	wanted := len(stay)
	if all {
		stay = []parsedRule{}
	} else {
		wanted = len(change.Delete.IDs) + len(change.Delete.Values)
		remove := func(value string, is func(Rule) bool) {
			i := slices.IndexFunc(stay, func(r parsedRule) bool { return is(r.Rule) })
			if i < 0 {
				answer.Errors = append(answer.Errors, ruleProblem{Value: value, Detail: "Rule does not exist",
					Title: "Invalid Request", Type: problemTypes + "invalid-request"})
				return
			}
			stay = slices.Delete(stay, i, i+1)
		}
		for _, id := range change.Delete.IDs {
			remove(id, func(r Rule) bool { return r.ID == id })
		}
		for _, value := range change.Delete.Values {
			remove(value, func(r Rule) bool { return r.Value == value })
		}
	}
	deleted := len(now.rules) - len(stay)
	answer.Meta.Summary = map[string]int{"deleted": deleted, "not_deleted": wanted - deleted}
	if deleted == 0 {
		return nil
	}
	return stay
}

// unmarshalStrict is json.Unmarshal that refuses unknown fields and a second value.
func unmarshalStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one JSON value")
	}
	return nil
}
