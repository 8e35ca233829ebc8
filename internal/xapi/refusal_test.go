package xapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRefusals(t *testing.T) {
	const problems = "https://api.x.com/2/problems/"
	tests := []struct {
		name   string
		status int
		body   string
		class  Class
		reason string
		says   string // in the error
		advice string
	}{
		{"wrong token", 401, `{"title":"Unauthorized","detail":"Unauthorized","type":"about:blank","status":401}`, Unauthorized, "unauthorized", "Unauthorized", "check bearer_token"},
		{"wrong token, v1", 401, `{"errors":[{"message":"Invalid or expired token","code":89}]}`, Unauthorized, "unauthorized", "Invalid or expired token", "check bearer_token"},
		{"no access", 403, `{"client_id":"1","detail":"When authenticating requests to the X API v2 endpoints, you must use keys and tokens from an X developer App that is attached to a Project.","reason":"client-not-enrolled","title":"Client Forbidden","type":"` + problems + `client-forbidden"}`,
			Forbidden, "forbidden", "Client Forbidden: When authenticating", "give the app access to stream filtered"},
		{"no rules", 409, `{"title":"ConnectionException","detail":"Rules must be configured before connecting.","connection_issue":"RuleConfigurationIssue","type":"` + problems + `streaming-connection"}`,
			NoRules, "no_rules", "Rules must be configured", `curl -X POST http://127.0.0.1:8080/2/tweets/search/stream/rules -H "Authorization: Bearer $TOKEN"`},
		{"no rules, without a word", 409, ``, NoRules, "no_rules", "409 Conflict", "/rules"},
		{"monthly cap", 429, `{"account_id":1,"product_name":"standard-basic","title":"UsageCapExceeded","period":"Monthly","scope":"Product","detail":"Usage cap exceeded: Monthly product cap","type":"https://api.twitter.com/2/problems/usage-capped"}`,
			UsageCapped, "usage_capped", "Monthly product cap", "console.x.com"},
		{"cap with another status", 403, `{"title":"x","type":"` + problems + `usage-capped"}`, UsageCapped, "usage_capped", "403", "console.x.com"},
		{"no credits", 402, `{"title":"CreditsDepleted","detail":"Your enrolled account does not have any credits to fulfill this request.","type":"` + problems + `credits"}`,
			UsageCapped, "credits_depleted", "CreditsDepleted: Your enrolled account", "buy credits"},
		{"no credits, by another name", 402, `{"title":"Payment Required","detail":"credits depleted","status":402,"type":"` + problems + `credits-depleted"}`,
			UsageCapped, "credits_depleted", "402 Payment Required: credits depleted", "buy credits"},
		{"no credits, without a word", 402, ``, UsageCapped, "credits_depleted", "402 Payment Required", "buy credits"},
		{"the request rate by its type", 403, `{"title":"x","type":"` + problems + `rate-limit-exceeded"}`, RateLimited, "rate_limited", "403", ""},
		{"too many connections", 429, `{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit.","connection_issue":"TooManyConnections","type":"` + problems + `streaming-connection"}`,
			TooManyConnections, "too_many_connections", "maximum allowed connection limit", "end other consumers"},
		{"too many connections by title", 429, `{"title":"ConnectionException"}`, TooManyConnections, "too_many_connections", "ConnectionException", "end other consumers"},
		{"another connection issue", 503, `{"title":"ConnectionException","connection_issue":"ProvisioningSubscription","detail":"try again in a minute","type":"` + problems + `streaming-connection"}`,
			HTTPFailure, "http_503", "try again in a minute", ""},
		{"request rate", 429, `{"title":"Too Many Requests","detail":"Too Many Requests","type":"about:blank","status":429}`, RateLimited, "rate_limited", "Too Many Requests", ""},
		{"request rate, v1", 429, `{"errors":[{"message":"Rate limit exceeded","code":88}]}`, RateLimited, "rate_limited", "Rate limit exceeded", ""},
		{"request rate, without a word", 429, ``, RateLimited, "rate_limited", "429", ""},
		{"request rate, PowerTrack's old status", 420, `Enhance`, RateLimited, "rate_limited", "420: Enhance", ""},
		{"invalid request", 400, `{"errors":[{"parameters":{"backfill_minutes":["9"]},"message":"backfill_minutes is not between 0 and 5"}],"title":"Invalid Request","detail":"One or more parameters to your request was invalid.","type":"` + problems + `invalid-request"}`,
			BadRequest, "bad_request", "was invalid. (backfill_minutes is not between 0 and 5)", "check parameters"},
		{"unknown path", 404, `<html><head>` + "\n" + `<title>404</title>` + strings.Repeat("x", 10_000) + `</html>`, HTTPFailure, "http_404", "404 Not Found: <html><head> <title>404</title>xxx", "check base_url"},
		{"server error", 500, `{"title":"Internal Server Error","detail":"Something is broken","type":"about:blank"}`, HTTPFailure, "http_500", "Something is broken", ""},
		{"overload", 503, "\x00\x01\xff over\r\ncapacity", HTTPFailure, "http_503", "503 Service Unavailable: over capacity", ""},
		{"not the 200 that was asked for", 204, ``, HTTPFailure, "http_204", "204 No Content", ""},
		{"PowerTrack's error", 406, `{"error":{"message":"Invalid compression","sent":"2026-01-01T00:00:00Z"}}`, HTTPFailure, "http_406", "Invalid compression", ""},
		{"an error that is a text", 500, `{"error":"no"}`, HTTPFailure, "http_500", ": no", ""},
		{"JSON of no shape", 500, `{"title":{"a":1},"detail":[7],"errors":{}}`, HTTPFailure, "http_500", `{"a":1}: [7]`, ""},
		{"an echo of the token", 401, `{"detail":"Bearer ` + secretToken + ` is wrong","title":"` + secretToken + `"}`, Unauthorized, "unauthorized", "[secret] is wrong", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				date := time.Now().UTC().Truncate(time.Second)
				reset := date.Add(5 * time.Minute)
				p := mustFail(t, testConfig(answering(fmt.Sprintf(
					"HTTP/1.1 %d X\r\nContent-Length: %d\r\nDate: %s\r\nx-rate-limit-limit: 50\r\nx-rate-limit-remaining: 0\r\nx-rate-limit-reset: %d\r\n\r\n%s",
					test.status, len(test.body), date.Format(http.TimeFormat), reset.Unix(), test.body))))
				if p.Class != test.class || p.Reason != test.reason || p.Status != test.status || !p.Sent {
					t.Errorf("%v, %s, %d, sent %t", p.Class, p.Reason, p.Status, p.Sent)
				}
				if !strings.Contains(p.Error(), test.says) || !strings.Contains(p.Advice, test.advice) || test.advice == "" && p.Class == HTTPFailure && p.Advice != "" {
					t.Errorf("%q with advice %q, want %q and %q", p, p.Advice, test.says, test.advice)
				}
				if !p.Limits.Known || p.Limits.Limit != 50 || p.Limits.Remaining != 0 || !p.Limits.Reset.Equal(reset) || !p.Date.Equal(date) {
					t.Errorf("limits %+v at %s", p.Limits, p.Date)
				}
			})
		})
	}
}

func TestRefusalReadsABoundedBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustFail(t, testConfig(fakeX(func(s served) {
			s.say("HTTP/1.1 500 X\r\n\r\n")
			for range 1000 {
				if _, err := s.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
			s.hang()
		})))
		if p.Reason != "http_500" {
			t.Error(p)
		}
	})
}

func TestAdviceWithoutKnowledge(t *testing.T) {
	p := refused(409, http.Header{}, nil, Stream{Name: "x", RulesPath: "/rules"}, "https://h", "bearer_token")
	if p.Advice != "add a rule to the stream: POST https://h/rules" {
		t.Error(p.Advice)
	}
	if p := refused(409, http.Header{}, nil, Stream{Name: "x"}, "https://h", "bearer_token"); p.Class != HTTPFailure || p.Reason != "http_409" {
		t.Errorf("a stream without rules: %+v", p)
	}
}

func TestProblemError(t *testing.T) {
	if got := (&Problem{Class: UsageCapped}).Error(); got != "usage capped" {
		t.Errorf("%q", got)
	}
	if got := Class(99).String(); got != "class 99" {
		t.Errorf("%q", got)
	}
	for c := Network; c <= Disconnected; c++ {
		if c.String() == "" {
			t.Errorf("class %d has no name", int(c))
		}
	}
}
