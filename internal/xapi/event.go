package xapi

import (
	"bytes"
	"encoding/json"
)

// Format is the shape of a stream's events, which says where their key and
// their time are.
type Format int

const (
	Post           Format = iota // a v2 Post below data
	LegacyPost                   // a Post of the v1.1 format at the top, or an array of them
	Like                         // LikeWithPostAuthor in X's OpenAPI description
	PostCompliance               // PostComplianceData
	UserCompliance               // UserComplianceData
	LikeCompliance               // LikeComplianceSchema
	PostLabel                    // PostLabelData
	Activity                     // ActivityStreamResponse
)

// Kind is what a line, or an element of one, is.
type Kind int

const (
	Data      Kind = iota // something to deliver
	Message               // X says something about the stream
	Malformed             // not JSON, or not an object
)

// Event is one event of a line.
type Event struct {
	Kind Kind
	Raw  []byte // its bytes as they came, aliasing the line

	// ID is the key of Data: equal for two copies of an event and different
	// for two events, whenever and however they come. It is the Post ID where
	// there is one, else made from what the schema says tells events apart,
	// else a hash of Raw. It may alias the line.
	ID        []byte
	Snowflake uint64 // ID as a number, where the event is a Post; else 0
	Created   int64  // when the event happened, in Unix ms; 0: it does not say

	Problem   *Problem // of a Message that announces an error
	Completed bool     // of PowerTrack's Message that a recovery is complete
}

// SnowflakeTime returns when the Post with an ID was created, in Unix ms.
func SnowflakeTime(id uint64) int64 {
	const epoch = 1288834974657
	return int64(id>>22) + epoch
}

// AppendEvents appends the events of a line that is no heartbeat: one, or of
// a LegacyPost line any number, for Powerstream may send arrays of Posts
// (docs.x.com: powerstream/introduction, "Responses").
func AppendEvents(dst []Event, line []byte, f Format) []Event {
	start := skipSpace(line, 0)
	if f != LegacyPost || start == len(line) || line[start] != '[' {
		return append(dst, event(line, f))
	}
	if !json.Valid(line) {
		return append(dst, Event{Kind: Malformed, Raw: line})
	}
	for i := skipSpace(line, start+1); line[i] != ']'; {
		end := skipValue(line, i)
		dst = append(dst, event(line[i:end], f))
		if i = skipSpace(line, end); line[i] == ',' {
			i = skipSpace(line, i+1)
		}
	}
	return dst
}

// event reads one event. Once a key is found where the schema has it, the
// rest is not looked at: the outermost braces must do.
func event(raw []byte, f Format) Event {
	e := Event{Raw: raw}
	trimmed := bytes.TrimSpace(raw)
	if n := len(trimmed); n < 2 || trimmed[0] != '{' || trimmed[n-1] != '}' {
		e.Kind = Malformed
		return e
	}
	if e.identify(trimmed, f) {
		return e
	}
	if !json.Valid(trimmed) {
		return Event{Kind: Malformed, Raw: raw}
	}
	if m, ok := message(trimmed); ok {
		m.Raw = raw
		return m
	}
	return Event{Raw: raw, ID: digest(trimmed)}
}

// message recognizes a line that says something about the stream, of JSON
// that is known to be valid. A line with data is an event, with partial
// errors or without, and so is one of a type that is not known: new ones may
// appear at any time (docs.x.com: fundamentals/consuming-streaming-data).
func message(b []byte) (Event, bool) {
	switch {
	case given(find(b, "data")):
		return Event{}, false
	case given(find(b, "errors")), given(find(b, "error")), given(find(b, "disconnect")), given(find(b, "connection_issue")),
		given(find(b, "title")) && given(find(b, "type")):
		return Event{Kind: Message, Problem: announced(b)}, true
	case given(find(b, "info")):
		return Event{Kind: Message, Completed: completed(b)}, true
	case string(text(find(b, "type"))) == "connection_metadata":
		return Event{Kind: Message}, true
	}
	return Event{}, false
}

// completed recognizes the end of a PowerTrack recovery. The message of one
// that could not read all of its minutes has more words, or lists them.
func completed(b []byte) bool {
	failed := find(b, "info", "minutes_failed")
	return string(text(find(b, "info", "message"))) == "Recovery Request Completed" && (!given(failed) || string(failed) == "[]")
}

func given(value []byte) bool { return value != nil && string(value) != "null" }
