package xapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

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
