package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// problemTypes is the prefix of X's problem types
// (docs.x.com: fundamentals/response-codes-and-errors).
const problemTypes = "https://api.x.com/2/problems/"

// problem is the body of a refusal, in X's words.
type problem struct {
	Title              string         `json:"title"`
	Detail             string         `json:"detail"`
	Type               string         `json:"type"`
	Status             int            `json:"status,omitempty"`
	ConnectionIssue    string         `json:"connection_issue,omitempty"`
	Reason             string         `json:"reason,omitempty"`
	RequiredEnrollment string         `json:"required_enrollment,omitempty"`
	RegistrationURL    string         `json:"registration_url,omitempty"`
	Period             string         `json:"period,omitempty"`
	Scope              string         `json:"scope,omitempty"`
	DisconnectType     string         `json:"disconnect_type,omitempty"`
	Errors             []invalidParam `json:"errors,omitempty"`

	code int // of the HTTP response
}

type invalidParam struct {
	Parameters url.Values `json:"parameters,omitempty"`
	Message    string     `json:"message"`
}

func generic(status int) *problem {
	text := http.StatusText(status)
	return &problem{code: status, Title: text, Detail: text, Type: "about:blank", Status: status}
}

// invalid names one parameter of a request and what is wrong with it.
func invalid(name string, values []string, format string, args ...any) *problem {
	message := invalidParam{Message: fmt.Sprintf(format, args...)}
	if values != nil {
		message.Parameters = url.Values{name: values}
	}
	return &problem{code: http.StatusBadRequest, Title: "Invalid Request", Type: problemTypes + "invalid-request",
		Detail: "One or more parameters to your request was invalid.", Errors: []invalidParam{message}}
}

func unauthorized() *problem { return generic(http.StatusUnauthorized) }

func forbidden() *problem {
	return &problem{code: http.StatusForbidden, Title: "Client Forbidden", Type: problemTypes + "client-forbidden",
		Detail:             "This app does not have the access that this endpoint or parameter needs.",
		Reason:             "client-not-enrolled",
		RequiredEnrollment: "Appropriate Level of API Access", RegistrationURL: "https://developer.x.com/en/docs/projects/overview"}
}

func noRules() *problem {
	return &problem{code: http.StatusConflict, Title: "ConnectionException", Type: problemTypes + "streaming-connection",
		Detail: "This stream has no rules: add one before connecting.", ConnectionIssue: "RuleConfigurationIssue"}
}

func tooManyRequests() *problem { return generic(http.StatusTooManyRequests) }

func tooManyConnections() *problem {
	return &problem{code: http.StatusTooManyRequests, Title: "ConnectionException", Type: problemTypes + "streaming-connection",
		Detail: "This stream is currently at the maximum allowed connection limit.", ConnectionIssue: "TooManyConnections"}
}

func usageCapped() *problem {
	return &problem{code: http.StatusTooManyRequests, Title: "UsageCapExceeded", Type: problemTypes + "usage-capped",
		Detail: "Usage cap exceeded: Monthly product cap", Period: "Monthly", Scope: "Product"}
}

func operationalDisconnect() *problem {
	return &problem{Title: "operational-disconnect", Type: problemTypes + "operational-disconnect",
		Detail:         "This stream has been disconnected upstream for operational reasons.",
		DisconnectType: "UpstreamOperationalDisconnect"}
}

// write sends p as the whole response.
func (p *problem) write(w http.ResponseWriter) {
	writeJSON(w, "application/problem+json; charset=utf-8", p.code, p)
}

// line is p as X sends it within a stream.
func (p *problem) line() []byte {
	body, err := json.Marshal(map[string]any{"errors": []*problem{p}})
	if err != nil { // a problem is strings and numbers
		panic(err)
	}
	return append(body, "\r\n"...)
}

func writeJSON(w http.ResponseWriter, contentType string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // a client that left needs no answer
}

func oneOf(names []string) string { return "[" + strings.Join(names, ",") + "]" }
