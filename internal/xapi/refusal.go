package xapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// saying is what X says in a refusal, of whichever shape: a problem of RFC
// 7807, a list of v1 errors, PowerTrack's error object, or all of them nested.
type saying struct {
	Title           said     `json:"title"`
	Detail          said     `json:"detail"`
	Type            said     `json:"type"`
	ConnectionIssue said     `json:"connection_issue"`
	DisconnectType  said     `json:"disconnect_type"`
	Message         said     `json:"message"`
	Reason          said     `json:"reason"`
	Errors          sayings  `json:"errors"`
	Error           *nesting `json:"error"`
	Disconnect      *nesting `json:"disconnect"`
}

// said is a text, whatever JSON value X put in its place.
type said string

func (s *said) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b)
	}
	if text != "null" {
		*s = said(printable(text, maxSaid))
	}
	return nil
}

// sayings is a list of errors; what is not a list of objects is none.
type sayings []saying

func (s *sayings) UnmarshalJSON(b []byte) error {
	var list []saying
	if json.Unmarshal(b, &list) == nil {
		*s = list
	}
	return nil
}

// nesting is a saying below another, or a text in the place of one.
type nesting saying

func (n *nesting) UnmarshalJSON(b []byte) error {
	var below saying
	if json.Unmarshal(b, &below) != nil {
		_ = below.Message.UnmarshalJSON(b)
	}
	*n = nesting(below)
	return nil
}

// understand reads a refusal. What is not JSON is its own detail: a page of a
// proxy, say, of which the first words tell most.
func understand(body []byte) saying {
	var s saying
	if json.Unmarshal(body, &s) != nil {
		return saying{Detail: said(printable(string(body), maxSaid))}
	}
	below := make([]saying, 0, 3)
	for _, n := range []*nesting{s.Error, s.Disconnect} {
		if n != nil {
			below = append(below, saying(*n))
		}
	}
	if len(s.Errors) > 0 {
		below = append(below, s.Errors[0])
	}
	for _, b := range below {
		s = s.completedBy(b)
	}
	return s
}

// completedBy fills what s leaves out. A message from below is added to the
// detail, for "One or more parameters to your request was invalid" says less.
func (s saying) completedBy(below saying) saying {
	fill := func(to *said, from said) {
		if *to == "" {
			*to = from
		}
	}
	fill(&s.Title, below.Title)
	fill(&s.Type, below.Type)
	fill(&s.ConnectionIssue, below.ConnectionIssue)
	fill(&s.DisconnectType, below.DisconnectType)
	fill(&s.Message, below.Message)
	fill(&s.Reason, below.Reason)
	fill(&s.Detail, below.Detail)
	return s
}

// problem is the saying without its consequences.
func (s saying) problem() *Problem {
	detail := string(s.Detail)
	for _, more := range []said{s.Message, s.Reason} {
		switch {
		case more == "" || more == s.Detail:
		case detail == "":
			detail = string(more)
		default:
			detail = printable(detail+" ("+string(more)+")", maxSaid)
		}
	}
	return &Problem{Title: string(s.Title), Detail: detail, Type: string(s.Type)}
}

// is tells a problem's type by the last part of its URI, for X's documents
// and servers disagree about the host in front of it.
func (s saying) is(kind string) bool {
	return strings.HasSuffix(string(s.Type), "/"+kind) || string(s.Title) == kind
}

// contains looks for a phrase of PowerTrack's, which has texts but no types.
func (s saying) contains(phrase string) bool {
	for _, text := range []said{s.Title, s.Detail, s.Message, s.Reason} {
		if strings.Contains(strings.ToLower(string(text)), phrase) {
			return true
		}
	}
	return false
}

// limit classifies what X answers, or says on a stream, when one of three
// limits is reached (docs.x.com: fundamentals/response-codes-and-errors,
// fundamentals/handling-disconnections), or when the credits of pay-per-use
// are used up, which no page of X describes: it answers 402 with these types.
func (s saying) limit() (class Class, reason string, ok bool) {
	switch {
	case s.ConnectionIssue == "TooManyConnections",
		s.ConnectionIssue == "" && (s.Title == "ConnectionException" || s.is("streaming-connection")),
		s.contains("too many connections"):
		return TooManyConnections, "too_many_connections", true
	case s.is("usage-capped"), s.Title == "UsageCapExceeded":
		return UsageCapped, "usage_capped", true
	case s.is("credits"), s.is("credits-depleted"), s.Title == "CreditsDepleted":
		return UsageCapped, "credits_depleted", true
	case s.is("rate-limit-exceeded"):
		return RateLimited, "rate_limited", true
	}
	return 0, "", false
}

const (
	adviceTooManyConnections = "end other consumers of this stream that use the same app; the connection of a process that died frees itself after a while"
	adviceUsageCapped        = "raise the cap of Posts in X's developer console (console.x.com), or wait for its next period"
	adviceCreditsDepleted    = "buy credits in X's developer console (console.x.com)"
)

// limitAdvice says what the user can do about a limit.
func limitAdvice(reason string) string {
	switch reason {
	case "too_many_connections":
		return adviceTooManyConnections
	case "usage_capped":
		return adviceUsageCapped
	case "credits_depleted":
		return adviceCreditsDepleted
	}
	return ""
}

// refused makes a Problem of an answer that is not 200.
func refused(status int, header http.Header, body []byte, of Stream, baseURL, credential string) *Problem {
	s := understand(body)
	p := s.problem()
	p.Status, p.Sent = status, true
	p.Limits, p.Date = limitsOf(header), dateOf(header)

	class, reason, limited := s.limit()
	switch {
	case status == http.StatusConflict && of.RulesPath != "" && s.ConnectionIssue != "TooManyConnections":
		p.Class, p.Reason = NoRules, "no_rules"
	case limited:
		p.Class, p.Reason = class, reason
	case status == http.StatusPaymentRequired:
		p.Class, p.Reason = UsageCapped, "credits_depleted"
	case status == http.StatusTooManyRequests, status == 420: // 420: what v1 and PowerTrack said before 429 existed
		p.Class, p.Reason = RateLimited, "rate_limited"
	case status == http.StatusBadRequest:
		p.Class, p.Reason = BadRequest, "bad_request"
	case status == http.StatusUnauthorized:
		p.Class, p.Reason = Unauthorized, "unauthorized"
	case status == http.StatusForbidden:
		p.Class, p.Reason = Forbidden, "forbidden"
	default:
		p.Class, p.Reason = HTTPFailure, "http_"+strconv.Itoa(status)
	}
	p.Advice = advice(p, of, baseURL, credential)
	return p
}

// advice says what the user can do about an answer.
func advice(p *Problem, of Stream, baseURL, credential string) string {
	switch p.Class {
	case TooManyConnections, UsageCapped:
		return limitAdvice(p.Reason)
	case Unauthorized:
		return "check " + credential + ": X does not know it, or it was regenerated or revoked"
	case Forbidden:
		return "give the app access to stream " + of.Name + " in X's developer console (console.x.com), or choose a stream that its plan includes"
	case BadRequest:
		return "check parameters: X does not take one of them for stream " + of.Name
	case NoRules:
		example := of.ruleExample
		if example == "" {
			return "add a rule to the stream: POST " + baseURL + of.RulesPath
		}
		return "add a rule to the stream, for example: curl -X POST " + baseURL + of.RulesPath +
			` -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '` + example + `'`
	case HTTPFailure:
		if p.Status == http.StatusNotFound {
			return "check base_url: there is no stream " + of.Name + " below " + baseURL
		}
	}
	return ""
}

// announced makes a Problem of a line on which X says why it is about to end
// the connection, or that something else is wrong (docs.x.com:
// fundamentals/consuming-streaming-data, "Responding to system messages").
func announced(line []byte) *Problem {
	s := understand(line)
	p := s.problem()
	if class, reason, ok := s.limit(); ok {
		p.Class, p.Reason, p.Advice = class, reason, limitAdvice(reason)
		return p
	}
	p.Class = Disconnected
	switch {
	case s.contains("forcedisconnect"), s.contains("force-disconnect"), s.contains("forced disconnect"),
		strings.Contains(string(s.DisconnectType), "ForceDisconnect"):
		p.Reason = "force_disconnect"
		p.Advice = "X ends connections that read too slowly: if this repeats, give the output more throughput"
	case s.is("operational-disconnect"), s.DisconnectType != "":
		p.Reason = "operational_disconnect"
	default:
		p.Reason = "stream_error"
	}
	return p
}
