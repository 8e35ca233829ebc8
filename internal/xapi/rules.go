package xapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
)

// Rule is one rule of a stream.
type Rule struct {
	ID    string `json:"id"`
	Value string `json:"value"`
	Tag   string `json:"tag"` // "": it has none
}

const (
	// maxRulePages is enough for 100,000 rules, of 1,000 a page. The largest
	// number that X speaks of is 25,000, which of 2,048 characters each are
	// less than maxRuleBytes (docs.x.com: posts/filtered-stream/introduction).
	maxRulePages = 100
	maxRuleBytes = 64 << 20
)

// Rules returns all rules of a stream that can be searched for. Without a
// rule that is none and no error. The error is a *Problem.
func (c *Client) Rules(ctx context.Context, s Stream) ([]Rule, error) {
	if !s.Search {
		return nil, invalid(fmt.Errorf("stream %s has no rules to search for", s.Name))
	}
	u := c.origin.base.JoinPath(s.RulesPath)
	var rules []Rule
	bytes := 0
	for range maxRulePages {
		a, err := c.get(ctx, u, s)
		if err != nil {
			return nil, err
		}
		page, next, err := parseRules(a.body)
		if err != nil {
			return nil, a.unusable(err)
		}
		rules = append(rules, page...)
		if next == "" {
			return rules, nil
		}
		if bytes += len(a.body); bytes > maxRuleBytes {
			break
		}
		u.RawQuery = url.Values{"pagination_token": {next}}.Encode()
	}
	return nil, &Problem{Class: HTTPFailure, Reason: "oversized_answer", Sent: true,
		Err: fmt.Errorf("stream %s has more rules than %d pages, or %d MiB", s.Name, maxRulePages, maxRuleBytes>>20)}
}

// parseRules reads a page of rules and the token of the next page; "": it is
// the last one.
func parseRules(body []byte) (rules []Rule, next string, err error) {
	var page struct {
		Data []Rule    `json:"data"`
		Meta *pageMeta `json:"meta"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, "", fmt.Errorf("the answer is no page of rules: %w", err)
	}
	if page.Meta == nil {
		return nil, "", errNoMeta
	}
	for _, r := range page.Data {
		if r.ID == "" || r.Value == "" {
			return nil, "", errors.New("the answer has a rule without an ID or a value")
		}
	}
	return page.Data, page.Meta.Next, nil
}

// pageMeta is what X says about a page. Without it nobody could know whether
// another page follows.
type pageMeta struct {
	Next string `json:"next_token"`
}

var errNoMeta = errors.New("the answer is no page: it has no meta")
