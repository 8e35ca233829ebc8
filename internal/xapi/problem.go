package xapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Class is the kind of a problem as far as reconnecting goes: each class has
// a schedule of its own (docs.x.com: fundamentals/handling-disconnections).
type Class int

const (
	Network            Class = iota // no answer, or the connection broke or ended
	HTTPFailure                     // X answered, but not as it should: 5xx, an unknown path, a redirect
	RateLimited                     // 429: too many requests; Limits.Reset says until when, where X said so
	TooManyConnections              // 429, or a line of the stream: all of the stream's connections are in use
	UsageCapped                     // 429, 402, or a line of the stream: the plan's cap of Posts is reached, perhaps for weeks, or its credits are used up
	NoRules                         // 409: the stream has rules, and none is set
	Unauthorized                    // 401: the credential is wrong, or there is none to send
	Forbidden                       // 403: the credential is right, but its app may not have this
	BadRequest                      // 400: X does not take this request, ever
	Disconnected                    // a line of the stream: X is about to end the connection
)

var classNames = [...]string{
	"network", "http failure", "rate limited", "too many connections", "usage capped",
	"no rules", "unauthorized", "forbidden", "bad request", "disconnected",
}

func (c Class) String() string {
	if c < 0 || int(c) >= len(classNames) {
		return "class " + strconv.Itoa(int(c))
	}
	return classNames[c]
}

// Problem is why a stream did not open, why it ended, or what X said on it.
type Problem struct {
	Class  Class
	Status int // of the HTTP response; 0: there was none, or it was 200

	// What X said, made printable and short; "" where it said nothing.
	Title, Detail, Type string

	// Advice is what the user can do about it, in one sentence; "": nothing
	// but wait.
	Advice string

	// Reason is a label for a metric, one of:
	//
	//	no answer:    dns, refused, unreachable, tls, proxy, connect_timeout, credentials, request, closed
	//	no answer or a broken connection: reset, timeout, no_response, malformed_response, network
	//	an ended connection: clean_end, cut (inside the response), cut_line (inside a line),
	//	              heartbeat_timeout, damaged_gzip
	//	an answer:    unauthorized, forbidden, bad_request, no_rules, rate_limited, too_many_connections,
	//	              usage_capped, credits_depleted, redirect, content_encoding, http_NNN,
	//	              unusable_answer (a 200 that is not what was asked for), oversized_answer
	//	a line:       operational_disconnect, force_disconnect, stream_error, and too_many_connections,
	//	              usage_capped, credits_depleted, rate_limited as above
	Reason string

	// Sent says that the request went out, so that X counts it as a connect.
	Sent   bool
	Limits Limits
	Date   time.Time // X's clock at the answer, in whole seconds; zero: not said
	Err    error     // the cause, where it is not an answer
}

// AsProblem is the Problem that err is or wraps, or one of the network that err
// caused.
func AsProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return &Problem{Class: Network, Reason: "unknown", Err: err}
}

// CleanEnd is the Reason of a response that X ended as HTTP means it.
const CleanEnd = "clean_end"

// Limits is what X says about the requests, of which connects are one kind,
// that it still allows to an endpoint.
type Limits struct {
	Limit     int       // requests in a window of 15 minutes; 0: not said
	Remaining int       // of these, not yet used
	Reset     time.Time // end of the window; zero: not said
	Known     bool      // X said how many remain and until when
}

// Error says what happened, in one line of a few hundred characters at most.
func (p *Problem) Error() string {
	var parts []string
	if p.Status != 0 {
		parts = append(parts, strings.TrimSpace("X answered "+strconv.Itoa(p.Status)+" "+http.StatusText(p.Status)))
	}
	if p.Title != "" && p.Title != http.StatusText(p.Status) {
		parts = append(parts, p.Title)
	}
	if p.Detail != "" && p.Detail != p.Title {
		parts = append(parts, p.Detail)
	}
	if p.Err != nil {
		parts = append(parts, printable(p.Err.Error(), maxSaid))
	}
	if len(parts) == 0 {
		return p.Class.String()
	}
	return strings.Join(parts, ": ")
}

func (p *Problem) Unwrap() error { return p.Err }

// maxSaid bounds each of the texts of a Problem, in characters.
const maxSaid = 200

// printable makes one line of at most n characters of what others wrote.
func printable(s string, n int) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		if !unicode.IsPrint(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar {
			space = b.Len() > 0
			continue
		}
		if n--; n < 0 {
			b.WriteString("...")
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// limitsOf reads x-rate-limit-*; the reset is in Unix seconds.
func limitsOf(h http.Header) Limits {
	var l Limits
	if n, err := strconv.Atoi(h.Get("x-rate-limit-limit")); err == nil && n > 0 {
		l.Limit = n
	}
	if s, err := strconv.ParseInt(h.Get("x-rate-limit-reset"), 10, 64); err == nil && s > 0 && s < 1e11 {
		l.Reset = time.Unix(s, 0)
	}
	if n, err := strconv.Atoi(h.Get("x-rate-limit-remaining")); err == nil && n >= 0 {
		l.Remaining = n
		l.Known = !l.Reset.IsZero()
	}
	return l
}

// dateOf reads the Date header; zero when there is none.
func dateOf(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// invalid is a request that is not sent because X could only refuse it.
func invalid(err error) *Problem {
	return &Problem{Class: BadRequest, Reason: "request", Err: err}
}
