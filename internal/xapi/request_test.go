package xapi

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRecoveryURL asks each stream for a window that is no whole seconds.
func TestRecoveryURL(t *testing.T) {
	base := &url.URL{Scheme: "https", Host: "api.x.com"}
	east := time.FixedZone("", 2*60*60)
	for _, s := range Streams() {
		if strings.Contains(s.Path, "{") {
			continue // PowerTrack: no path yet
		}
		r := Request{Stream: s, Partition: s.Partitions,
			Start: time.Date(2026, 7, 12, 17, 10, 0, 999_999_999, east), End: time.Date(2026, 7, 12, 17, 10, 1, 1, east)}
		u, err := r.url(base, nil)
		if !s.Recovery {
			if err == nil {
				t.Errorf("%s has no recovery, and asks for %s", s.Name, u)
			}
			continue
		}
		want := url.Values{"start_time": {"2026-07-12T15:10:00Z"}, "end_time": {"2026-07-12T15:10:02Z"}}
		if s.Name == "powerstream" {
			want = url.Values{"startTime": want["start_time"], "endTime": want["end_time"]}
		}
		if s.Partitions > 0 {
			want.Set("partition", strconv.Itoa(r.Partition))
		}
		if err != nil || u.RawQuery != want.Encode() {
			t.Errorf("%s asks for %s, %v; want %s", s.Name, u, err, want.Encode())
		}
	}
}

func TestRecoveryWindowWithinASecond(t *testing.T) {
	q := make(url.Values)
	start := at(t, "2026-07-12T15:10:00.2Z")
	setWindow(q, "a", "b", start, start.Add(time.Nanosecond))
	if q.Get("a") != "2026-07-12T15:10:00Z" || q.Get("b") != "2026-07-12T15:10:01Z" {
		t.Error(q)
	}
}

func TestRecoveryAndBackfillRefused(t *testing.T) {
	live := Request{Stream: filtered}
	backfill := Request{Stream: filtered, BackfillMinutes: 5}
	recovery := Request{Stream: filtered, Start: at(t, "2026-07-12T15:10:00Z"), End: at(t, "2026-07-12T15:20:00Z")}
	const tooMany = `{"title":"ConnectionException","connection_issue":"TooManyConnections"}`
	tests := []struct {
		request Request
		status  int
		body    string
		class   Class
		advice  string
	}{
		{live, 403, ``, Forbidden, "access to stream filtered"},
		{backfill, 403, ``, Forbidden, "backfill takes Enterprise access"},
		{recovery, 403, ``, Forbidden, "recovery takes Enterprise access"},
		{live, 400, ``, BadRequest, "check parameters"},
		{backfill, 400, ``, BadRequest, "backfill takes Enterprise access"},
		{recovery, 400, ``, BadRequest, "recovery takes Enterprise access"},
		{backfill, 429, tooMany, TooManyConnections, "end other consumers of this stream"},
		{recovery, 429, tooMany, TooManyConnections, "two recoveries at a time"},
		{recovery, 401, ``, Unauthorized, "check bearer_token"},
	}
	for _, test := range tests {
		c := mustClient(t, testConfig(answering(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", test.status, len(test.body), test.body))))
		_, err := c.Open(t.Context(), test.request)
		if p := asProblem(t, err); p.Class != test.class || !strings.Contains(p.Advice, test.advice) {
			t.Errorf("%d to %+v: %v, %q", test.status, test.request, p, p.Advice)
		}
	}
}
