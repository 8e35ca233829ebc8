package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	p := &parameters{Values: r.URL.Query()}
	p.only(nil, "ids", "max_results", "pagination_token")
	size := p.number("max_results", 1, 1000, 1000)
	start := p.number("pagination_token", 0, math.MaxInt32, 0)
	if p.wrong != nil {
		p.wrong.write(w)
		return
	}
	list := s.rules.latest()
	if p.Has("ids") {
		ids := strings.Split(p.Get("ids"), ",")
		list = slices.DeleteFunc(list, func(r Rule) bool { return !slices.Contains(ids, r.ID) })
	}
	var answer rulesAnswer
	answer.Data, answer.Meta.NextToken = cut(list, start, size)
	n := len(answer.Data)
	answer.Meta.ResultCount = &n
	answer.write(w, http.StatusOK)
}

// getRuleCounts tells how many rules there are and may be. The account has one
// app in one project.
func (s *Simulator) getRuleCounts(w http.ResponseWriter, r *http.Request) {
	p := &parameters{Values: r.URL.Query()}
	p.only(map[string][]string{"rules_count.fields": {"all_project_client_apps", "cap_per_client_app", "cap_per_project",
		"client_app_rules_count", "project_rules_count"}})
	if p.wrong != nil {
		p.wrong.write(w)
		return
	}
	type appCount struct {
		ID    string `json:"client_app_id"`
		Count int    `json:"rule_count"`
	}
	app := appCount{"1", len(s.rules.latest())}
	allowed := strconv.Itoa(s.account.Rules)
	writeJSON(w, streamType, http.StatusOK, map[string]any{"data": map[string]any{
		"cap_per_client_app": allowed, "cap_per_project": allowed, "project_rules_count": strconv.Itoa(app.Count),
		"client_app_rules_count": app, "all_project_client_apps": []appCount{app},
	}})
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
