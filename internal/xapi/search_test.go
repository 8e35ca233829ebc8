package xapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// at reads a time of a test.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// searchFor is a request that X takes.
func searchFor(t testing.TB, query string) SearchRequest {
	return SearchRequest{Endpoint: recentSearch, Query: query, Start: at(t, "2026-07-12T15:10:00Z"), End: at(t, "2026-07-12T15:20:00Z")}
}

func TestSearchURL(t *testing.T) {
	base := &url.URL{Scheme: "https", Host: "api.x.com"}
	valid := searchFor(t, `cat "a b" -is:retweet #x`)
	tests := []struct {
		change func(*SearchRequest)
		want   string // "!" and what the error says
	}{
		{func(r *SearchRequest) {}, "/2/tweets/search/recent?end_time=2026-07-12T15%3A20%3A00Z&max_results=100&" +
			"query=cat+%22a+b%22+-is%3Aretweet+%23x&sort_order=recency&start_time=2026-07-12T15%3A10%3A00Z&tweet.fields=created_at%2Clang"},
		{func(r *SearchRequest) {
			r.Endpoint, r.Query, r.PageSize, r.Next = archiveSearch, "cat", 10, "b26v89c19zqg8o3f"
			r.Start, r.End = at(t, "2026-07-12T17:10:00.9+02:00"), at(t, "2026-07-12T15:20:00.1Z")
		}, "/2/tweets/search/all?end_time=2026-07-12T15%3A20%3A01Z&max_results=10&next_token=b26v89c19zqg8o3f&" +
			"query=cat&sort_order=recency&start_time=2026-07-12T15%3A10%3A00Z&tweet.fields=created_at%2Clang"},
		{func(r *SearchRequest) { r.Endpoint, r.Query = archiveSearch, "cat" }, "/2/tweets/search/all?end_time=2026-07-12T15%3A20%3A00Z&max_results=500&" +
			"query=cat&sort_order=recency&start_time=2026-07-12T15%3A10%3A00Z&tweet.fields=created_at%2Clang"},
		{func(r *SearchRequest) { r.Query = strings.Repeat("x", 4096) }, "/2/tweets/search/recent?end_time=2026-07-12T15%3A20%3A00Z&max_results=100&" +
			"query=" + strings.Repeat("x", 4096) + "&sort_order=recency&start_time=2026-07-12T15%3A10%3A00Z&tweet.fields=created_at%2Clang"},
		{func(r *SearchRequest) { r.Endpoint = SearchEndpoint{} }, "!names no search endpoint"},
		{func(r *SearchRequest) { r.Query = "" }, "!needs a query"},
		{func(r *SearchRequest) { r.Query = strings.Repeat("é", 4097) }, "!at most 4096 characters"},
		{func(r *SearchRequest) { r.Start = time.Time{} }, "!a start and an end"},
		{func(r *SearchRequest) { r.End = time.Time{} }, "!a start and an end"},
		{func(r *SearchRequest) { r.End = r.Start }, "!not before"},
		{func(r *SearchRequest) { r.PageSize = 9 }, "!10 to 100 Posts, not 9"},
		{func(r *SearchRequest) { r.PageSize = 101 }, "!10 to 100 Posts, not 101"},
	}
	for _, test := range tests {
		r := valid
		test.change(&r)
		u, err := r.url(base, map[string]string{"tweet.fields": "created_at,lang"})
		if says, bad := strings.CutPrefix(test.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%+v: %v, want %q", r, err, says)
			}
		} else if err != nil || u.String() != "https://api.x.com"+test.want {
			t.Errorf("%s, %v; want %s", u, err, test.want)
		}
	}
}

func TestSearchRequestThatCannotBe(t *testing.T) {
	c := mustClient(t, testConfig(func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, net.ErrClosed
	}))
	_, err := c.Search(t.Context(), SearchRequest{Endpoint: recentSearch})
	if p := asProblem(t, err); p.Class != BadRequest || p.Reason != "request" || p.Sent {
		t.Errorf("%+v", p)
	}
}

func TestSearch(t *testing.T) {
	var got *http.Request
	cfg := testConfig(fakeX(func(s served) {
		got = s.request
		s.respond(`{"data":[{"id":"20","text":"b"},{"id":"12","text":"a"}],"meta":{"newest_id":"20","oldest_id":"12","next_token":"abc","result_count":2}}`,
			"Date: Sun, 12 Jul 2026 16:00:00 GMT", "x-rate-limit-limit: 450", "x-rate-limit-remaining: 449", "x-rate-limit-reset: 1783872900")
	}))
	cfg.Parameters = map[string]string{"expansions": "author_id"}
	page, err := mustClient(t, cfg).Search(t.Context(), searchFor(t, "cat"))
	if err != nil {
		t.Fatal(err)
	}
	if got.URL.Query().Get("query") != "cat" || got.URL.Query().Get("expansions") != "author_id" ||
		got.Header.Get("Authorization") != "Bearer "+secretToken || got.Header.Get("Accept-Encoding") != "gzip" {
		t.Errorf("sent %s %v", got.URL, got.Header)
	}
	if page.Next != "abc" || !page.Date.Equal(at(t, "2026-07-12T16:00:00Z")) ||
		page.Limits != (Limits{Limit: 450, Remaining: 449, Reset: time.Unix(1783872900, 0), Known: true}) {
		t.Errorf("%+v", page)
	}
	if len(page.Events) != 2 || string(page.Events[0].Data) != `{"id":"20","text":"b"}` || page.Events[0].Snowflake != 20 ||
		page.Events[1].Snowflake != 12 || page.Events[1].Created != SnowflakeTime(12) {
		t.Errorf("%+v", page.Events)
	}
}

func TestSearchPageWithoutPosts(t *testing.T) {
	for body, next := range map[string]string{
		`{"meta":{"result_count":0}}`: "",
		`{"meta":{"result_count":0,"next_token":"b26v89c19zqg8o3fo7gesjok43y9xi3ssvc1brmi0c03h"}}`: "b26v89c19zqg8o3fo7gesjok43y9xi3ssvc1brmi0c03h",
		`{"data":null,"includes":null,"errors":null,"meta":{}}`:                                    "",
	} {
		events, token, err := parsePosts([]byte(body))
		if err != nil || len(events) != 0 || token != next {
			t.Errorf("%s: %+v, %q, %v", body, events, token, err)
		}
	}
}

// TestSearchEventLine shows what of a page each of its Posts gets.
func TestSearchEventLine(t *testing.T) {
	const (
		alice = `{"id":"1","username":"Alice"}`
		bob   = `{"username":"bob","id":"2","description":"<&>\u00e9 é"}`
		carol = `{"id":"3","username":"12"}` // a username that is another's ID
		dave  = `{"id":"12","username":"dave"}`
	)
	tests := []struct {
		name, data, shared string
		want               []string // what follows data in each line
	}{
		{"nothing shared", `{"id":"10"}`, ``, []string{``}},
		{"includes that no Post names", `{"id":"10"}`, `,"includes":{"users":[` + alice + `]}`, []string{``}},
		{"authors", `{"id":"10","author_id":"2"},{"id":"9","author_id":"1"},{"id":"8","author_id":"2"}`,
			`,"includes":{"users":[` + alice + `,` + bob + `]}`,
			[]string{`,"includes":{"users":[` + bob + `]}`, `,"includes":{"users":[` + alice + `]}`, `,"includes":{"users":[` + bob + `]}`}},
		{"in the page's order", `{"id":"10","author_id":"2","in_reply_to_user_id":"1"}`,
			`,"includes":{"users":[` + carol + `,` + alice + `,` + bob + `]}`,
			[]string{`,"includes":{"users":[` + alice + `,` + bob + `]}`}},
		{"mentions", `{"id":"10","entities":{"mentions":[{"start":0,"username":"ALICE"},{"username":"bob"}]}},{"id":"9","author_id":"12"}`,
			`,"includes":{"users":[` + alice + `,` + bob + `,` + carol + `,` + dave + `]}`,
			[]string{`,"includes":{"users":[` + alice + `,` + bob + `]}`, `,"includes":{"users":[` + dave + `]}`}},
		{"a mention of a user named like an ID", `{"id":"10","entities":{"mentions":[{"username":"12"}]}}`,
			`,"includes":{"users":[` + carol + `,` + dave + `]}`, []string{`,"includes":{"users":[` + carol + `]}`}},
		{"mentions in the long text", `{"id":"10","note_tweet":{"entities":{"mentions":[{"username":"bob"}]}}}`,
			`,"includes":{"users":[` + alice + `,` + bob + `]}`, []string{`,"includes":{"users":[` + bob + `]}`}},
		{"media, polls and places", `{"id":"10","attachments":{"media_keys":["3_1","3_2"],"poll_ids":["7"]},"geo":{"place_id":"01a9"}},{"id":"9","attachments":{"media_keys":["3_2"]}}`,
			`,"includes":{"polls":[{"id":"6"},{"id":"7"}],"places":[{"id":"01a9"}],"media":[{"media_key":"3_2"},{"media_key":"3_9"},{"media_key":"3_1"}]}`,
			[]string{
				`,"includes":{"polls":[{"id":"7"}],"places":[{"id":"01a9"}],"media":[{"media_key":"3_2"},{"media_key":"3_1"}]}`,
				`,"includes":{"media":[{"media_key":"3_2"}]}`,
			}},
		{"articles", `{"id":"10","article":{"cover_media":"3_1","media_entities":["3_2"]}}`,
			`,"includes":{"media":[{"media_key":"3_1"},{"media_key":"3_2"},{"media_key":"3_3"}]}`,
			[]string{`,"includes":{"media":[{"media_key":"3_1"},{"media_key":"3_2"}]}`}},
		{"referenced Posts, with their authors and media", `{"id":"10","author_id":"1","referenced_tweets":[{"type":"quoted","id":"5"}]},{"id":"9","referenced_tweets":[{"type":"replied_to","id":"4"}]}`,
			`,"includes":{"users":[` + alice + `,` + bob + `,` + carol + `],"tweets":[{"id":"4","author_id":"3"},{"id":"5","author_id":"2","attachments":{"media_keys":["3_1"]},"referenced_tweets":[{"id":"4"}]}],"media":[{"media_key":"3_1"}]}`,
			[]string{
				`,"includes":{"users":[` + alice + `,` + bob + `],"tweets":[{"id":"5","author_id":"2","attachments":{"media_keys":["3_1"]},"referenced_tweets":[{"id":"4"}]}],"media":[{"media_key":"3_1"}]}`,
				`,"includes":{"users":[` + carol + `],"tweets":[{"id":"4","author_id":"3"}]}`,
			}},
		{"a Post that refers to another of the page", `{"id":"10","edit_history_tweet_ids":["10"],"referenced_tweets":[{"id":"9"}]},{"id":"9","edit_history_tweet_ids":["8","9"]}`,
			`,"includes":{"tweets":[{"id":"9"},{"id":"8"}]}`,
			[]string{`,"includes":{"tweets":[{"id":"9"}]}`, `,"includes":{"tweets":[{"id":"8"}]}`}},
		{"the names of X's OpenAPI description", `{"id":"10","note_post":{"entities":{"mentions":[{"username":"bob"}]}},"edit_history_post_ids":["8","10"],"referenced_posts":[{"type":"quoted","id":"5"}]}`,
			`,"includes":{"posts":[{"id":"8"},{"id":"5","author_id":"1"}],"users":[` + alice + `,` + bob + `]}`,
			[]string{`,"includes":{"posts":[{"id":"8"},{"id":"5","author_id":"1"}],"users":[` + alice + `,` + bob + `]}`}},
		{"errors", `{"id":"10","referenced_tweets":[{"id":"5"}]},{"id":"9","entities":{"mentions":[{"username":"Gone"}]}},{"id":"8"}`,
			`,"errors":[{"title":"a","resource_id":"5","value":"5"},{"title":"b","value":"gone"},{"title":"c","resource_id":"8"},{"title":"d","resource_id":"77"},{"title":"e","field":"geo"},{"title":"f","value":"5"},{"title":"g","resource_id":"5"},{"title":"h","resource_id":"5"}]`,
			[]string{
				`,"errors":[{"title":"a","resource_id":"5","value":"5"},{"title":"f","value":"5"},{"title":"g","resource_id":"5"},{"title":"h","resource_id":"5"}]`,
				`,"errors":[{"title":"b","value":"gone"}]`,
				`,"errors":[{"title":"c","resource_id":"8"}]`,
			}},
		{"errors and includes", `{"id":"10","author_id":"1","referenced_tweets":[{"id":"5"}]}`,
			`,"includes":{"users":[` + alice + `]},"errors":[{"value":"5"}]`,
			[]string{`,"errors":[{"value":"5"}],"includes":{"users":[` + alice + `]}`}},
		{"names that are empty", `{"id":"10","author_id":"","referenced_tweets":[{"id":""}],"entities":{"mentions":[{"username":""}]}}`,
			`,"includes":{"users":[{"name":"x"},` + alice + `],"tweets":[{"id":"","author_id":"1"}]},"errors":[{"title":"e","field":"geo"}]`,
			[]string{``}},
		{"values of other types than X's", `{"id":"10","author_id":1,"entities":[],"referenced_tweets":{"id":["5"]},"geo":null,"attachments":"x"}`,
			`,"includes":{"users":["x",2,null,{"id":true}],"tweets":[{"id":"5"}]},"errors":["x",null]`,
			[]string{`,"includes":{"tweets":[{"id":"5"}]}`}},
	}
	rules := []Rule{{ID: "7", Value: "cat", Tag: `<tag> & "é"`}, {ID: "8", Value: "dog"}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			events, next, err := parsePosts([]byte(`{"data":[` + test.data + `]` + test.shared + `,"meta":{"next_token":"n"}}`))
			if err != nil || next != "n" || len(events) != len(test.want) {
				t.Fatalf("%d events, %q, %v", len(events), next, err)
			}
			var data []string
			for i, e := range events {
				data = append(data, string(e.Data))
				want := `{"data":` + string(e.Data) + test.want[i] + `,"matching_rules":[{"id":"7","tag":"<tag> & \"é\""},{"id":"8","tag":""}]}`
				if got := string(e.Line(rules)); got != want {
					t.Errorf("Post %d:\n%s, want\n%s", i, got, want)
				}
			}
			if strings.Join(data, ",") != test.data {
				t.Errorf("the Posts became\n%s", data)
			}
		})
	}
}

func TestSearchEventLineIsOneLine(t *testing.T) {
	events, _, err := parsePosts([]byte("{\"data\": [\r\n {\"id\": \"10\",\n \"text\": \"a\\n<b>\"}\n], \"meta\": {}}"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"data":{"id":"10","text":"a\n<b>"},"matching_rules":[{"id":"7","tag":""}]}`
	if got := string(events[0].Line([]Rule{{ID: "7"}})); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSearchPagesThatAreNone(t *testing.T) {
	for _, body := range []string{
		``, `[]`, `{}`, `null`, `{"data":[]}`, `{"data":[{"id":"1"}],"meta":null}`, `{"data":{"id":"1"},"meta":{}}`,
		`{"data":[{"text":"x"}],"meta":{}}`, `{"data":[{"id":1}],"meta":{}}`, `{"data":["x"],"meta":{}}`, `{"data":[null],"meta":{}}`,
		`{"data":[{"id":"1"}],"meta":{}`, `{"data":[{"id":"1"}],"includes":{"users":{}},"meta":{}}`, `{"data":[],"meta":{"next_token":7}}`,
	} {
		if events, next, err := parsePosts([]byte(body)); err == nil {
			t.Errorf("%s: %+v, %q", body, events, next)
		}
	}
}

func FuzzSearchPage(f *testing.F) {
	f.Add([]byte(`{"data":[{"id":"10","author_id":"2","referenced_tweets":[{"id":"5"}]},{"id":"9","entities":{"mentions":[{"username":"Bob"}]}}],"includes":{"users":[{"id":"2","username":"bob"}],"tweets":[{"id":"5","author_id":"2"}]},"errors":[{"value":"5"}],"meta":{"next_token":"x"}}`))
	f.Add([]byte(`{"data":[{"id":"10","attachments":{"media_keys":["3_1"]}}],"includes":{"media":[{"media_key":"3_1"}]},"meta":{}}`))
	f.Add([]byte(`{"data":[{"\u0069d":"10"}],"includes":{"a\"\\\n":[{"id":"1"}]},"meta":{"next_token":null}}`))
	f.Add([]byte(`{"meta":{}, "errors":[1], "includes":[]}`))
	rules := []Rule{{ID: "7", Tag: "a\nb"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, _, err := parsePosts(body)
		if err != nil {
			return
		}
		var page struct { // by the same rules as to the case of names and to those that come twice
			Data     []json.RawMessage `json:"data"`
			Includes json.RawMessage   `json:"includes"`
		}
		if err := json.Unmarshal(body, &page); err != nil || len(events) != len(page.Data) {
			t.Fatalf("%d events of %d Posts, %v", len(events), len(page.Data), err)
		}
		shared := elements(t, page.Includes)
		for i, e := range events {
			line := e.Line(rules)
			if !json.Valid(line) || strings.ContainsAny(string(line), "\r\n") {
				t.Fatalf("%q is no line", line)
			}
			if string(e.Data) != string(page.Data[i]) {
				t.Fatalf("Post %d became %s", i, e.Data)
			}
			// The line is what the stream's reader takes for the same Post.
			read := AppendEvents(nil, line, Post)
			if len(read) != 1 || read[0].Kind != Data || read[0].Snowflake != e.Snowflake || read[0].Created != e.Created {
				t.Fatalf("%s reads as %+v", line, read)
			}
			var own struct{ Includes json.RawMessage }
			json.Unmarshal(line, &own)
			for name, list := range elements(t, own.Includes) {
				for _, element := range list {
					if !slices.Contains(shared[name], element) {
						t.Fatalf("%s has %s, which is not of the page", name, element)
					}
				}
			}
		}
	})
}

// elements returns what lists an object has, those of one name together.
func elements(t *testing.T, b []byte) map[string][]string {
	dec := json.NewDecoder(bytes.NewReader(b))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	all := map[string][]string{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		var list []json.RawMessage
		if err := dec.Decode(&list); err != nil {
			t.Fatal(err)
		}
		for _, element := range list {
			all[name.(string)] = append(all[name.(string)], compact(element))
		}
	}
	return all
}

func compact(raw []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return err.Error()
	}
	return b.String()
}

func BenchmarkSearchPage(b *testing.B) {
	body := largePage(500)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		events, _, err := parsePosts(body)
		if err != nil || len(events) != 500 {
			b.Fatal(len(events), err)
		}
		for _, e := range events {
			e.Line([]Rule{{ID: "1", Tag: "x"}})
		}
	}
}

// largePage is a page of Posts of 10 KB, each with an author of its own.
func largePage(posts int) []byte {
	var data, users []string
	for i := range posts {
		data = append(data, fmt.Sprintf(`{"id":"%d","author_id":"%d","text":%q}`, 1850118621198921728-i, i+1, strings.Repeat("x", 10_000)))
		users = append(users, fmt.Sprintf(`{"id":"%d","username":"user%d"}`, i+1, i+1))
	}
	return []byte(`{"data":[` + strings.Join(data, ",") + `],"includes":{"users":[` + strings.Join(users, ",") + `]},"meta":{}}`)
}
