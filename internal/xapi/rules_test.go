package xapi

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	var asked []string
	page := func(body string) func(served) {
		return func(s served) {
			asked = append(asked, s.request.URL.String())
			s.respond(body)
		}
	}
	cfg := testConfig(fakeX(
		page(`{"data":[{"id":"1","value":"cat","tag":"cats"},{"id":"2","value":"\"big dog\" OR <b>"}],"meta":{"sent":"2026-07-12T15:10:00.000Z","result_count":2,"next_token":"a+b/c="}}`),
		page(`{"data":[{"id":"3","value":"mouse","tag":null}],"meta":{}}`),
	))
	cfg.Parameters = map[string]string{"tweet.fields": "lang"}
	rules, err := mustClient(t, cfg).Rules(t.Context(), filtered)
	want := []Rule{{"1", "cat", "cats"}, {"2", `"big dog" OR <b>`, ""}, {"3", "mouse", ""}}
	if err != nil || !slices.Equal(rules, want) {
		t.Errorf("%+v, %v", rules, err)
	}
	const path = "/2/tweets/search/stream/rules"
	if !slices.Equal(asked, []string{path, path + "?pagination_token=a%2Bb%2Fc%3D"}) {
		t.Errorf("asked for %q", asked)
	}
}

func TestRulesOfNone(t *testing.T) {
	rules, err := mustClient(t, testConfig(fakeX(func(s served) { s.respond(`{"meta":{"result_count":0}}`) }))).Rules(t.Context(), filtered)
	if err != nil || len(rules) != 0 {
		t.Errorf("%+v, %v", rules, err)
	}
}

func TestRulesProblems(t *testing.T) {
	endless := `{"data":[{"id":"1","value":"cat"}],"meta":{"next_token":"again"}}`
	huge := `{"data":[{"id":"1","value":"` + strings.Repeat("x", maxAnswerBytes-100) + `"}],"meta":{"next_token":"again"}}`
	tests := []struct {
		name, answer  string
		class         Class
		reason        string
		says, advises string
	}{
		{"no access", "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n", Forbidden, "forbidden", "403", "access to stream filtered"},
		{"no rules in it", ok(`{"data":[]}`), HTTPFailure, "unusable_answer", "no meta", ""},
		{"another shape", ok(`{"data":{"rules":[]},"meta":{}}`), HTTPFailure, "unusable_answer", "no page of rules", ""},
		{"a rule without an ID", ok(`{"data":[{"value":"cat"}],"meta":{}}`), HTTPFailure, "unusable_answer", "without an ID", ""},
		{"a rule without a value", ok(`{"data":[{"id":"1","value":""}],"meta":{}}`), HTTPFailure, "unusable_answer", "or a value", ""},
		{"pages without end", ok(endless), HTTPFailure, "oversized_answer", "100 pages", ""},
		{"bytes without end", ok(huge), HTTPFailure, "oversized_answer", "64 MiB", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			dial := answering(test.answer)
			cfg := testConfig(func(ctx context.Context, network, addr string) (net.Conn, error) {
				asked++
				return dial(ctx, network, addr)
			})
			rules, err := mustClient(t, cfg).Rules(t.Context(), filtered)
			if err == nil || rules != nil {
				t.Fatalf("%d rules, %v", len(rules), err)
			}
			p := asProblem(t, err)
			if p.Class != test.class || p.Reason != test.reason || !p.Sent || !strings.Contains(p.Error(), test.says) || !strings.Contains(p.Advice, test.advises) {
				t.Errorf("%v, %s: %v; advice %q", p.Class, p.Reason, p, p.Advice)
			}
			if most := map[string]int{"pages without end": maxRulePages, "bytes without end": 3}[test.name]; asked > max(most, 1) {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

func TestRulesOfAStreamWithoutSearch(t *testing.T) {
	for _, s := range Streams() {
		if s.Search {
			continue
		}
		_, err := mustClient(t, testConfig(answering(""))).Rules(t.Context(), s)
		if p := asProblem(t, err); p.Class != BadRequest || p.Reason != "request" || p.Sent {
			t.Errorf("%s: %+v", s.Name, p)
		}
	}
}

// ok is a response of 200.
func ok(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func FuzzRules(f *testing.F) {
	f.Add([]byte(`{"data":[{"id":"1","value":"cat","tag":"x"}],"meta":{"next_token":"n"}}`))
	f.Add([]byte(`{"meta":null,"data":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rules, next, err := parseRules(body)
		if err != nil && (rules != nil || next != "") {
			t.Fatalf("%+v, %q with %v", rules, next, err)
		}
		for _, r := range rules {
			if r.ID == "" || r.Value == "" {
				t.Fatalf("%+v", r)
			}
		}
	})
}
