package xapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
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

// identify finds key and time where the schema of f has them.
func (e *Event) identify(b []byte, f Format) bool {
	switch f {
	case Post:
		return e.identifyPost(find(b, "data", "id"))
	case LegacyPost:
		return e.identifyPost(find(b, "id_str")) || e.identifyNotice(b, legacyNotices)
	case Like:
		return e.identifyLike(find(b, "data"))
	case Activity:
		return e.identifyActivity(find(b, "data"))
	default:
		return e.identifyNotice(find(b, "data"), notices[f])
	}
}

// identifyPost takes a Post ID, which X writes as a string of digits.
func (e *Event) identifyPost(value []byte) bool {
	id, n, ok := snowflake(value)
	if ok {
		e.ID, e.Snowflake, e.Created = id, n, SnowflakeTime(n)
	}
	return ok
}

// identifyLike takes a like. Its created_at is the Post's and not its own,
// and its ID may come again when a like is taken back and given anew.
func (e *Event) identifyLike(like []byte) bool {
	id := text(find(like, "id"))
	if len(id) == 0 {
		return false
	}
	at := text(find(like, "timestamp_ms"))
	if at == nil {
		e.ID = id
	} else {
		e.ID = key(id, at)
	}
	e.Created = milliseconds(at)
	return true
}

// activityTimes are the members of payloads that say when an event happened,
// in Unix ms (docs.x.com: activity/event-payloads).
var activityTimes = []string{"timestamp_ms", "event_timestamp_ms", "created_at_msec"}

// identifyActivity takes an activity. One Post that mentions two users is two
// events with the Post's ID as the event_uuid of both, so the UUID alone is
// no key, and it is no snowflake where the event is no Post.
func (e *Event) identifyActivity(activity []byte) bool {
	kind, uuid := text(find(activity, "event_type")), text(find(activity, "event_uuid"))
	if len(kind) == 0 || len(uuid) == 0 {
		return false
	}
	filter := find(activity, "filter")
	e.ID = key(kind, uuid, text(find(filter, "user_id")), text(find(filter, "keyword")),
		text(find(filter, "direction")), text(find(activity, "tag")))

	payload := find(activity, "payload")
	if bytes.HasPrefix(kind, []byte("post.")) && string(kind) != "post.delete" {
		if _, n, ok := snowflake(find(payload, "id")); ok {
			e.Created = SnowflakeTime(n)
		}
		return true
	}
	for _, name := range activityTimes {
		if e.Created = milliseconds(text(find(payload, name))); e.Created != 0 {
			break
		}
	}
	return true
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

// snowflake reads an ID: a string of digits that fits 64 bits.
func snowflake(value []byte) (id []byte, n uint64, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return nil, 0, false
	}
	id = text(value)
	if len(id) == 0 || len(id) > 20 || id[0] == '0' {
		return nil, 0, false
	}
	for _, c := range id {
		digit := uint64(c - '0')
		if digit > 9 || n > (1<<64-1-digit)/10 {
			return nil, 0, false
		}
		n = n*10 + digit
	}
	return id, n, true
}

// milliseconds reads a time in Unix ms; 0: it is none.
func milliseconds(b []byte) int64 {
	if len(b) == 0 || len(b) > 19 {
		return 0
	}
	ms, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || ms < 0 {
		return 0
	}
	return ms
}

// instant reads a time of ISO 8601 as Unix ms; 0: it is none.
func instant(b []byte) int64 {
	t, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// maxKeyBytes bounds a key, of which a dedupe window holds a million.
const maxKeyBytes = 160

// key joins what tells events apart. A long key becomes its digest.
func key(parts ...[]byte) []byte {
	k := bytes.Join(parts, []byte(":"))
	if len(k) > maxKeyBytes {
		return digest(k)
	}
	return k
}

// digest is the key of what has no other.
func digest(b []byte) []byte {
	sum := sha256.Sum256(b)
	return hex.AppendEncode(nil, sum[:16])
}
