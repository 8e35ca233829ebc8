package xapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// failSearch expects a search not to bring a page.
func failSearch(t *testing.T, cfg Config, e SearchEndpoint) *Problem {
	t.Helper()
	r := searchFor(t, "cat")
	r.Endpoint = e
	page, err := mustClient(t, cfg).Search(t.Context(), r)
	if err == nil {
		t.Fatalf("got %+v, want a problem", page)
	}
	return asProblem(t, err)
}

func TestSearchRefusals(t *testing.T) {
	const problems = "https://api.x.com/2/problems/"
	tests := []struct {
		name     string
		endpoint SearchEndpoint
		status   int
		body     string
		class    Class
		reason   string
		says     string
		advice   string
	}{
		{"no access to the archive", archiveSearch, 403, `{"title":"Client Forbidden","detail":"no","reason":"client-not-enrolled","type":"` + problems + `client-forbidden"}`,
			Forbidden, "forbidden", "Client Forbidden: no", "search the last 7 days instead"},
		{"no access at all", recentSearch, 403, ``, Forbidden, "forbidden", "403", "give the app access to search"},
		{"an operator", recentSearch, 400, `{"errors":[{"parameters":{"query":["bio:x"]},"message":"There were errors processing your request: Reference to invalid operator 'bio'. (at position 1)"}],"title":"Invalid Request","detail":"One or more parameters to your request was invalid.","type":"` + problems + `invalid-request"}`,
			BadRequest, "bad_request", "invalid operator 'bio'", "check the rule"},
		{"requests", recentSearch, 429, `{"errors":[{"code":88,"message":"Rate limit exceeded"}]}`, RateLimited, "rate_limited", "Rate limit exceeded", ""},
		{"cap", recentSearch, 429, `{"title":"UsageCapExceeded","detail":"Usage cap exceeded: Monthly product cap","type":"` + problems + `usage-capped"}`,
			UsageCapped, "usage_capped", "Monthly product cap", "raise the cap"},
		{"credits", recentSearch, 402, `{"title":"CreditsDepleted","detail":"Your enrolled account does not have any credits to fulfill this request.","type":"` + problems + `credits"}`,
			UsageCapped, "credits_depleted", "any credits", "buy credits"},
		{"credits, by another name", recentSearch, 402, `{"title":"Payment Required","detail":"credits depleted","type":"` + problems + `credits-depleted"}`,
			UsageCapped, "credits_depleted", "credits depleted", "buy credits"},
		{"credits, without a word", recentSearch, 402, ``, UsageCapped, "credits_depleted", "402 Payment Required", "buy credits"},
		{"wrong token", recentSearch, 401, `{"detail":"Bearer ` + secretToken + `"}`, Unauthorized, "unauthorized", "[secret]", "check bearer_token"},
		{"unknown path", archiveSearch, 404, ``, HTTPFailure, "http_404", "404", "there is no /2/tweets/search/all below it"},
		{"overload", recentSearch, 503, `{"title":"Service Unavailable"}`, HTTPFailure, "http_503", "503", ""},

		{"a page of a proxy", recentSearch, 200, `<html>Log in with ` + secretToken, HTTPFailure, "unusable_answer", "<html>Log in with [secret]: the answer is no page of Posts", ""},
		{"an error in the place of a page", recentSearch, 200, `{"errors":[{"title":"Internal Error","detail":"oops","type":"` + problems + `internal-error"}]}`,
			HTTPFailure, "unusable_answer", "Internal Error: oops: the answer is no page", ""},
		{"a limit in the place of a page", recentSearch, 200, `{"errors":[{"title":"x","type":"` + problems + `usage-capped"}]}`, UsageCapped, "usage_capped", "", "raise the cap"},
		{"a Post without an ID", recentSearch, 200, `{"data":[{}],"meta":{}}`, HTTPFailure, "unusable_answer", "a Post without an ID", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				date := time.Now().UTC().Truncate(time.Second)
				p := failSearch(t, testConfig(answering(fmt.Sprintf(
					"HTTP/1.1 %d X\r\nContent-Length: %d\r\nDate: %s\r\nx-rate-limit-limit: 450\r\nx-rate-limit-remaining: 7\r\nx-rate-limit-reset: %d\r\n\r\n%s",
					test.status, len(test.body), date.Format("Mon, 02 Jan 2006 15:04:05 GMT"), date.Add(time.Minute).Unix(), test.body))), test.endpoint)
				if p.Class != test.class || p.Reason != test.reason || !p.Sent {
					t.Errorf("%v, %s, sent %t", p.Class, p.Reason, p.Sent)
				}
				if !strings.Contains(p.Error(), test.says) || !strings.Contains(p.Advice, test.advice) || test.advice == "" && p.Advice != "" {
					t.Errorf("%q with advice %q, want %q and %q", p, p.Advice, test.says, test.advice)
				}
				if p.Limits.Remaining != 7 || !p.Limits.Reset.Equal(date.Add(time.Minute)) || !p.Date.Equal(date) {
					t.Errorf("limits %+v at %s", p.Limits, p.Date)
				}
			})
		})
	}
}

func TestAnswersThatDoNotEndWell(t *testing.T) {
	const page = `{"meta":{}}`
	tests := []struct {
		name   string
		answer func(served)
		class  Class
		reason string
		took   time.Duration
	}{
		{"no headers", func(s served) { s.hang() }, Network, "connect_timeout", 7 * time.Second},
		{"no end", func(s served) { s.say(okChunked); s.chunk(`{"data":`); s.hang() }, Network, "timeout", time.Minute},
		{"a byte now and then", func(s served) {
			s.say(okChunked)
			for err := error(nil); err == nil; {
				time.Sleep(time.Second)
				_, err = io.WriteString(s, "1\r\n \r\n")
			}
		}, Network, "timeout", time.Minute},
		{"cut", func(s served) {
			s.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nx-rate-limit-remaining: 7\r\nx-rate-limit-reset: 1783872900\r\nDate: Sun, 12 Jul 2026 16:00:00 GMT\r\n\r\n" + page)
		}, Network, "cut", 0},
		{"reset", func(s served) { s.say(okChunked); s.chunk(page); time.Sleep(time.Second); s.reset() }, Network, "reset", time.Second},
		{"cut gzip", func(s served) { s.respond(string(compress(page)[:20]), "Content-Encoding: gzip") }, Network, "cut", 0},
		{"damaged gzip", func(s served) {
			z := compress(page)
			z[len(z)-6] ^= 1
			s.respond(string(z), "Content-Encoding: gzip")
		}, Network, "damaged_gzip", 0},
		{"too long", func(s served) { s.respond(strings.Repeat(" ", maxAnswerBytes+1)) }, HTTPFailure, "oversized_answer", 0},
		{"too long when it is unpacked", func(s served) {
			s.respond(string(compress(strings.Repeat(" ", maxAnswerBytes+1))), "Content-Encoding: gzip")
		}, HTTPFailure, "oversized_answer", 0},
		{"an encoding that nobody asked for", func(s served) { s.respond(page, "Content-Encoding: br") }, HTTPFailure, "content_encoding", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(fakeX(test.answer))
				cfg.ConnectTimeout = 7 * time.Second
				start := time.Now()
				p := failSearch(t, cfg, recentSearch)
				if took := time.Since(start); p.Class != test.class || p.Reason != test.reason || !p.Sent || took != test.took {
					t.Errorf("%v, %s, sent %t, after %s: %v", p.Class, p.Reason, p.Sent, took, p)
				}
				if said := test.name == "cut"; p.Limits.Known != said || p.Date.IsZero() == said {
					t.Errorf("limits %+v at %s", p.Limits, p.Date)
				}
				time.Sleep(time.Second) // the fake X notices that nobody listens
			})
		})
	}
}

func TestAnswersThatDo(t *testing.T) {
	const page = `{"data":[{"id":"12"}],"meta":{}}`
	tests := map[string]func(served){
		"whole": func(s served) { s.respond(page) },
		"gzip":  func(s served) { s.respond(string(compress(page)), "Content-Encoding: gzip") },
		"slowly": func(s served) {
			s.say(okChunked)
			s.chunk(page[:9])
			time.Sleep(59 * time.Second)
			s.chunk(page[9:] + "\r\n")
			s.say("0\r\n\r\n")
		},
		"long":      func(s served) { s.respond(page + strings.Repeat(" ", maxAnswerBytes-len(page))) },
		"no length": func(s served) { s.say("HTTP/1.1 200 OK\r\n\r\n" + page) },
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := mustClient(t, testConfig(fakeX(script))).Search(t.Context(), searchFor(t, "cat"))
				if err != nil || len(got.Events) != 1 || got.Events[0].Snowflake != 12 {
					t.Errorf("%+v, %v", got, err)
				}
			})
		})
	}
}

func TestSearchEndsWithItsContext(t *testing.T) {
	for name, script := range map[string]func(served){
		"before the headers": func(s served) { s.hang() },
		"in the body":        func(s served) { s.say(okChunked); s.chunk("{"); s.hang() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cause := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(cause) })
				_, err := mustClient(t, testConfig(fakeX(script))).Search(ctx, searchFor(t, "cat"))
				if p := asProblem(t, err); p.Reason != "closed" || !errors.Is(p, cause) {
					t.Errorf("%s: %v", p.Reason, p)
				}
			})
		})
	}
}

func TestSearchTellsCredentialsOf401(t *testing.T) {
	c := &counting{Credentials: BearerToken(secretToken)}
	cfg := testConfig(answering("HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"))
	cfg.Credentials = c
	failSearch(t, cfg, recentSearch)
	if c.refused != 1 {
		t.Errorf("told %d times", c.refused)
	}
}

type counting struct {
	Credentials
	refused int
}

func (c *counting) Refused() { c.refused++ }

// mustClient makes a client.
func mustClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// respond writes a whole response of 200.
func (s served) respond(body string, headers ...string) {
	s.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n", len(body))
	for _, h := range headers {
		s.say("%s\r\n", h)
	}
	s.say("\r\n")
	io.WriteString(s, body)
}
