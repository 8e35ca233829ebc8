package xapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
)

const postID = "1850118621198921728"

var postCreated = SnowflakeTime(1850118621198921728)

func TestSnowflakeTime(t *testing.T) {
	// The example of X's PowerTrack page: created Wed Oct 10 20:19:24 +0000 2018.
	if got, want := SnowflakeTime(1050118621198921728)/1000, int64(1539202764); got != want {
		t.Errorf("created in second %d, want %d", got, want)
	}
}

func TestAppendEvents(t *testing.T) {
	const at, atMS = "2026-07-24T21:05:48.123Z", int64(1784927148123)
	tests := []struct {
		name    string
		format  Format
		line    string
		id      string // "#": a digest
		created int64
		post    bool
	}{
		{"post", Post, `{"data":{"id":"` + postID + `","text":"hi"}}`, postID, postCreated, true},
		{"post with white space", Post, " { \"data\" :\t{ \"text\" : \"x\" , \"id\" : \"" + postID + "\" } } ", postID, postCreated, true},
		{"id is the last field", Post, `{"data":{"author_id":"1","edit_history_tweet_ids":["2"],"id":"` + postID + `"}}`, postID, postCreated, true},
		{"includes and rules first", Post, `{"includes":{"users":[{"id":"5"}],"tweets":[{"id":"6"}]},"matching_rules":[{"id":"7","tag":"data"}],"data":{"id":"` + postID + `"}}`, postID, postCreated, true},
		{"errors first", Post, `{"errors":[{"title":"Not Found Error","data":{"id":"9"}}],"data":{"id":"` + postID + `"}}`, postID, postCreated, true},
		{"nested objects with ids", Post, `{"data":{"attachments":{"id":"1","x":[{"id":"2"}]},"geo":{"id":"3"},"id":"` + postID + `"}}`, postID, postCreated, true},
		{"strings that look like JSON", Post, `{"x":"{\"data\":{\"id\":\"1\"}}","data":{"text":"\\\",\"id\":\"2\",\\","id":"` + postID + `"}}`, postID, postCreated, true},
		{"a string that ends with backslashes", Post, `{"data":{"text":"\\\\","id":"` + postID + `"}}`, postID, postCreated, true},
		{"escaped names and digits", Post, `{"d\u0061ta":{"\u0069d":"\u0031850118621198921728"}}`, postID, postCreated, true},
		{"braces in strings", Post, `{"includes":{"a":"}}}{{[["},"data":{"text":"}{","id":"` + postID + `"}}`, postID, postCreated, true},
		{"largest id", Post, `{"data":{"id":"18446744073709551615"}}`, "18446744073709551615", SnowflakeTime(1<<64 - 1), true},
		{"id too large", Post, `{"data":{"id":"18446744073709551616"}}`, "#", 0, false},
		{"id is a number", Post, `{"data":{"id":1850118621198921728}}`, "#", 0, false},
		{"id is no number", Post, `{"data":{"id":"12a"}}`, "#", 0, false},
		{"id with a leading zero", Post, `{"data":{"id":"012"}}`, "#", 0, false},
		{"id missing", Post, `{"data":{"text":"x"},"id":"12"}`, "#", 0, false},
		{"a type that nobody knows", Post, `{"surprise":{"id":"12"}}`, "#", 0, false},
		{"data of a type that nobody knows", Post, `{"data":["12"]}`, "#", 0, false},
		{"empty object", Post, `{}`, "#", 0, false},

		{"legacy post", LegacyPost, `{"created_at":"x","id":1850118621198921700,"id_str":"` + postID + `"}`, postID, postCreated, true},
		{"legacy repost of a user", LegacyPost, `{"user":{"id_str":"1"},"retweeted_status":{"id_str":"2"},"id_str":"` + postID + `"}`, postID, postCreated, true},
		{"legacy deletion", LegacyPost, `{"delete":{"status":{"id":601430178305220600,"id_str":"601430178305220608","user_id_str":"3"},"timestamp_ms":"1432228155593"}}`,
			"delete:601430178305220608:1432228155593", 1432228155593, false},

		{"like", Like, `{"data":{"id":"87719f50ee17","created_at":"` + at + `","liked_tweet_id":"2","timestamp_ms":1784927565236}}`,
			"87719f50ee17:1784927565236", 1784927565236, false},
		{"like with time as a string", Like, `{"data":{"id":"87719f50ee17","timestamp_ms":"1784927565236"}}`, "87719f50ee17:1784927565236", 1784927565236, false},
		{"like without time", Like, `{"data":{"id":"87719f50ee17","created_at":"` + at + `"}}`, "87719f50ee17", 0, false},

		{"deletion", PostCompliance, `{"data":{"delete":{"tweet":{"id":"12","author_id":"3"},"event_at":"` + at + `"}}}`, "delete:12:" + at, atMS, false},
		{"deletion, other order", PostCompliance, `{"data":{"delete":{"event_at":"` + at + `","tweet":{"author_id":"3","id":"12"}}}}`, "delete:12:" + at, atMS, false},
		{"deletion of a quote", PostCompliance, `{"data":{"delete":{"tweet":{"id":"12"},"quote_tweet_id":"13","event_at":"` + at + `"}}}`, "delete:12:" + at + ":13", atMS, false},
		{"withheld", PostCompliance, `{"data":{"withheld":{"tweet":{"id":"12"},"withheld_in_countries":["DE","FR"],"event_at":"` + at + `"}}}`,
			"withheld:12:" + at + `:["DE","FR"]`, atMS, false},
		{"edit", PostCompliance, `{"data":{"tweet_edit":{"tweet":{"id":"12"},"event_at":"` + at + `","initial_tweet_id":"10","edit_tweet_ids":["10","12"]}}}`,
			"tweet_edit:12:" + at + `:10:["10","12"]`, atMS, false},
		{"compliance of a type that nobody knows", PostCompliance, `{"data":{"surprise":{"tweet":{"id":"12"},"event_at":"` + at + `"}}}`, "#", 0, false},
		{"compliance without a time", PostCompliance, `{"data":{"delete":{"tweet":{"id":"12"}}}}`, "#", 0, false},

		{"protection", UserCompliance, `{"data":{"user_protect":{"user":{"id":"12"},"event_at":"` + at + `"}}}`, "user_protect:12:" + at, atMS, false},
		{"geo scrubbed", UserCompliance, `{"data":{"scrub_geo":{"user":{"id":"12"},"up_to_tweet_id":"99","event_at":"` + at + `"}}}`, "scrub_geo:12:" + at + ":99", atMS, false},
		{"profile", UserCompliance, `{"data":{"user_profile_modification":{"user":{"id":"12"},"profile_field":"user.name","new_value":"A \"B\"","event_at":"` + at + `"}}}`,
			"user_profile_modification:12:" + at + `:user.name:A "B"`, atMS, false},

		{"unlike", LikeCompliance, `{"data":{"delete":{"favorite":{"id":"12","user_id":"13"},"event_at":"` + at + `"}}}`, "delete:12:" + at + ":13", atMS, false},

		{"label", PostLabel, `{"data":{"public_tweet_notice":{"tweet":{"id":"12","author_id":"3"},"event_type":"misleading","event_at":"` + at + `","application":"apply"}}}`,
			"public_tweet_notice:12:" + at + ":apply:misleading", atMS, false},
		{"unviewable", PostLabel, `{"data":{"public_tweet_unviewable":{"tweet":{"id":"12","author_id":"3"},"event_at":"` + at + `","application":"remove"}}}`,
			"public_tweet_unviewable:12:" + at + ":remove", atMS, false},

		{"activity of a post", Activity, `{"data":{"event_uuid":"` + postID + `","filter":{"user_id":"11"},"event_type":"post.create","tag":"t","payload":{"id":"` + postID + `"}}}`,
			"post.create:" + postID + ":11:::t", postCreated, false},
		{"activity of a deletion", Activity, `{"data":{"event_uuid":"-2781","filter":{"user_id":"11"},"event_type":"post.delete","payload":{"id":"` + postID + `"}}}`,
			"post.delete:-2781:11:::", 0, false},
		{"activity of a like", Activity, `{"data":{"event_uuid":"-34","filter":{"user_id":"11","direction":"outbound"},"event_type":"like.create","payload":{"id":"8","timestamp_ms":"1784927565236"}}}`,
			"like.create:-34:11::outbound:", 1784927565236, false},
		{"activity with an empty filter", Activity, `{"data":{"event_uuid":"59","filter":{},"event_type":"oauth.revoke","payload":{}}}`, "oauth.revoke:59::::", 0, false},
		{"activity without a uuid", Activity, `{"data":{"event_type":"oauth.revoke"}}`, "#", 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			events := AppendEvents(nil, []byte(test.line), test.format)
			if len(events) != 1 {
				t.Fatalf("%d events, want 1", len(events))
			}
			e := events[0]
			if e.Kind != Data || string(e.Raw) != test.line {
				t.Fatalf("kind %d of %s, want data, unchanged", e.Kind, e.Raw)
			}
			if test.id == "#" {
				test.id = string(digest([]byte(test.line)))
			}
			if string(e.ID) != test.id || e.Created != test.created || (e.Snowflake != 0) != test.post {
				t.Errorf("key %s, created %d, snowflake %d; want %s, %d, post %t", e.ID, e.Created, e.Snowflake, test.id, test.created, test.post)
			}
		})
	}
}

func TestAppendEventsLongKeyIsBounded(t *testing.T) {
	line := `{"data":{"user_profile_modification":{"user":{"id":"12"},"event_at":"2026-07-24T21:05:48Z","new_value":"` + strings.Repeat("x", 10_000) + `"}}}`
	a := AppendEvents(nil, []byte(line), UserCompliance)[0]
	b := AppendEvents(nil, []byte(strings.Replace(line, "x", "y", 1)), UserCompliance)[0]
	if len(a.ID) > maxKeyBytes || bytes.Equal(a.ID, b.ID) || a.Created == 0 {
		t.Errorf("keys %q and %q, want two short ones", a.ID, b.ID)
	}
}

func TestAppendEventsMessages(t *testing.T) {
	tests := []struct {
		name      string
		line      string
		class     Class
		reason    string // "": no problem
		completed bool
	}{
		{"operational disconnect", `{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect","detail":"This stream has been disconnected upstream for operational reasons.","type":"https://api.x.com/2/problems/operational-disconnect"}]}`,
			Disconnected, "operational_disconnect", false},
		{"too many connections", `{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit.","connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}`,
			TooManyConnections, "too_many_connections", false},
		{"too many connections in a list", `{"errors":[{"title":"ConnectionException","connection_issue":"TooManyConnections","type":"https://api.twitter.com/2/problems/streaming-connection"}]}`,
			TooManyConnections, "too_many_connections", false},
		{"usage cap", `{"errors":[{"title":"UsageCapExceeded","period":"Monthly","detail":"Usage cap exceeded: Monthly product cap","type":"https://api.x.com/2/problems/usage-capped"}]}`,
			UsageCapped, "usage_capped", false},
		{"too slow", `{"errors":[{"title":"ForceDisconnect","detail":"full buffer"}]}`, Disconnected, "force_disconnect", false},
		{"PowerTrack's error", `{"error":{"message":"Forced Disconnect: Too many connections. (Allowed Connections = 2)","sent":"2017-01-11T18:12:52+00:00"}}`,
			TooManyConnections, "too_many_connections", false},
		{"another error", `{"errors":[{"message":"Sorry","code":131}],"data":null}`, Disconnected, "stream_error", false},
		{"errors of no shape", `{"errors":"no"}`, Disconnected, "stream_error", false},
		{"recovery complete", `{"info":{"message":"Recovery Request Completed","sent":"2026-07-12T15:21:00+00:00"}}`, 0, "", true},
		{"recovery complete in parts", `{"info":{"message":"Recovery Request Completed","minutes_failed":["202607121510"]}}`, 0, "", false},
		{"recovery failed", `{"info":{"message":"Recovery Request Completed with errors"}}`, 0, "", false},
		{"datacenter", `{"type":"connection_metadata","datacenter":"atla","timestamp":1762557264155}`, 0, "", false},
	}
	for _, test := range tests {
		for _, f := range []Format{Post, LegacyPost, Activity} {
			e := AppendEvents(nil, []byte(test.line), f)[0]
			if e.Kind != Message || string(e.Raw) != test.line || e.Completed != test.completed {
				t.Errorf("%s: kind %d, completed %t", test.name, e.Kind, e.Completed)
			}
			switch {
			case test.reason == "":
				if e.Problem != nil {
					t.Errorf("%s: problem %v, want none", test.name, e.Problem)
				}
			case e.Problem == nil || e.Problem.Class != test.class || e.Problem.Reason != test.reason:
				t.Errorf("%s: problem %#v, want %v, %s", test.name, e.Problem, test.class, test.reason)
			}
		}
	}
}

func TestAppendEventsMalformed(t *testing.T) {
	for _, line := range []string{
		``, `x`, `{`, `}`, `{}x`, `"data"`, `[]`, `12`, `null`, "\x00\x00", `{"data":{"text":"x"`, `{"data":{"text":}}`, `{"dat`, `{"a":1,}`, `<html></html>`,
	} {
		events := AppendEvents(nil, []byte(line), Post)
		if len(events) != 1 || events[0].Kind != Malformed || string(events[0].Raw) != line {
			t.Errorf("%q gives %+v, want one malformed", line, events)
		}
	}
}

func TestAppendEventsArray(t *testing.T) {
	line := ` [ {"id_str":"12"} ,7, {"text":"[}","id_str":"13"},{"info":{}},[{"id_str":"14"}]] `
	var got []string
	for _, e := range AppendEvents(nil, []byte(line), LegacyPost) {
		got = append(got, fmt.Sprintf("%d %s %s", e.Kind, e.ID, e.Raw))
	}
	want := []string{
		`0 12 {"id_str":"12"}`, `2  7`, `0 13 {"text":"[}","id_str":"13"}`, `1  {"info":{}}`, `2  [{"id_str":"14"}]`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if events := AppendEvents(nil, []byte(`[]`), LegacyPost); len(events) != 0 {
		t.Errorf("an empty array gives %+v", events)
	}
	if events := AppendEvents(nil, []byte(`[{"id_str":"12"},]`), LegacyPost); len(events) != 1 || events[0].Kind != Malformed {
		t.Errorf("a damaged array gives %+v", events)
	}
}

// FuzzAppendEvents holds the scanner against encoding/json.
func FuzzAppendEvents(f *testing.F) {
	for _, line := range []string{
		`{"data":{"id":"12"}}`, `{"errors":[{}],"data":{"x":{"id":"1"},"id":"12"}}`, `{"data":null,"data":{"id":"1"}}`,
		`{"d\u0061ta":{"id":"\u0031"}}`, `{"data":{"id":"1","id":"2"}}`, `[{"id_str":"1"},{}]`, `{"delete":{"tweet":{"id":"1"}}}`,
		`{"data":{"text":"\\\"","id":"1"}}`, `{"info":{"message":"Recovery Request Completed"}}`, `{"data":{"event_uuid":"1","event_type":"x"}}`,
	} {
		for format := Post; format <= Activity; format++ {
			f.Add([]byte(line), int(format))
		}
	}
	f.Fuzz(func(t *testing.T, line []byte, format int) {
		if format < int(Post) || format > int(Activity) {
			return
		}
		events := AppendEvents(nil, line, Format(format))
		valid := json.Valid(line)
		for _, e := range events {
			if e.Kind == Data && len(e.ID) == 0 {
				t.Errorf("data without a key: %q", e.Raw)
			}
			if e.Kind == Malformed && len(events) == 1 && valid && firstByte(line) == '{' {
				t.Errorf("an object counts as malformed: %q", line)
			}
			if !bytes.Contains(line, e.Raw) {
				t.Errorf("%q is no part of %q", e.Raw, line)
			}
		}
		path := map[Format][]string{Post: {"data", "id"}, LegacyPost: {"id_str"}}[Format(format)]
		if !valid || firstByte(line) != '{' || path == nil {
			return
		}
		want, ok := decodedID(line, path)
		if _, _, digits := snowflake([]byte(`"` + want + `"`)); !ok || !digits {
			if events[0].Snowflake != 0 {
				t.Errorf("%q has snowflake %d, and no such ID", line, events[0].Snowflake)
			}
			return
		}
		if string(events[0].ID) != want {
			t.Errorf("%q has key %q, want %q", line, events[0].ID, want)
		}
	})
}

func firstByte(line []byte) byte {
	line = bytes.TrimLeft(line, " \t\r\n")
	if len(line) == 0 {
		return 0
	}
	return line[0]
}

// decodedID is the string that encoding/json finds at a path, the first of
// each where a name is there twice.
func decodedID(line []byte, path []string) (id string, ok bool) {
	value := json.RawMessage(line)
	for _, name := range path {
		if value, ok = firstMember(value, name); !ok {
			return "", false
		}
	}
	return id, json.Unmarshal(value, &id) == nil && value[0] == '"'
}

func firstMember(object []byte, name string) (json.RawMessage, bool) {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		if key == name {
			return value, true
		}
	}
	return nil, false
}

// post is a line of about 1.9 KB, as X orders its fields: by name.
func post(idFirst bool) []byte {
	user := `{"created_at":"2023-10-23T13:44:53.000Z","description":"Building with the \"X\" API \ud83d\ude00 @XDevelopers","id":"1111111111111111111","name":"Example User","profile_image_url":"https://pbs.twimg.com/profile_images/0000000000000000001/example_normal.jpg","protected":false,"public_metrics":{"followers_count":5502,"following_count":652,"listed_count":47,"tweet_count":790},"username":"ExampleUser","verified":true}`
	metrics := `"public_metrics":{"bookmark_count":0,"impression_count":0,"like_count":0,"quote_count":0,"reply_count":0,"retweet_count":0}`
	id := `"id":"` + postID + `",`
	first, later := id, ""
	if !idFirst {
		first, later = "", id
	}
	includes := `"includes":{"users":[` + user + `,` + user + `]},`
	data := `"data":{` + first + `"author_id":"1111111111111111111","conversation_id":"` + postID + `","created_at":"2026-07-24T21:05:48.000Z","edit_controls":{"editable_until":"2026-07-24T22:05:48.000Z","edits_remaining":5,"is_edit_eligible":true},"edit_history_tweet_ids":["` + postID + `"],` +
		later + `"lang":"en","possibly_sensitive":false,` + metrics + `,"reply_settings":"everyone","text":"` + strings.Repeat(`Hello from the \u65e5 stream\n`, 17) + `"}`
	rules := `"matching_rules":[{"id":"1234567890","tag":"cats"}]`
	if idFirst {
		return []byte(`{` + data + `,` + includes + rules + `}`)
	}
	return []byte(`{` + includes + rules + `,` + data + `}`)
}

func BenchmarkAppendEvents(b *testing.B) {
	for _, bench := range []struct {
		name    string
		idFirst bool
	}{{"id early", true}, {"id late", false}} {
		b.Run(bench.name, func(b *testing.B) {
			line := post(bench.idFirst)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			var events []Event
			for b.Loop() {
				events = AppendEvents(events[:0], line, Post)
			}
			if string(events[0].ID) != postID {
				b.Fatal(events[0])
			}
		})
	}
}

func BenchmarkReadLines(b *testing.B) {
	line := append(post(true), "\r\n"...)
	block := bytes.Repeat(line, 1000)
	r := newLineReader(&endless{block: block}, defaultMaxLineBytes)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var lines [][]byte
	for n := 0; n < b.N; n += len(lines) {
		var err error
		if lines, err = r.lines(lines[:0], 1024); err != nil {
			b.Fatal(err)
		}
	}
}

// endless repeats a block in reads of at most 16 KiB, as TLS would.
type endless struct {
	block []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.block[e.at:min(len(e.block), e.at+16<<10)])
	e.at = (e.at + n) % len(e.block)
	return n, nil
}

var _ io.Reader = (*endless)(nil)
