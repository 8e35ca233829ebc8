package ingest

import (
	"fmt"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// post is a line with a Post that was created at a second since start.
func post(second float64, text string) []byte {
	id := uint64(sec(second).UnixMilli()-xapi.SnowflakeTime(0)) << 22
	return fmt.Appendf(nil, `{"data":{"id":"%d","text":%q}}`, id, text)
}

func testSieve(t *testing.T) *sieve {
	t.Helper()
	return &sieve{format: xapi.Post, judge: testPartition(t).judge}
}

func TestSieveTellsWhatAReadHolds(t *testing.T) {
	s := testSieve(t)
	sp := newSpan(sec(100), time.Minute, 30*time.Second, false)
	old, live := post(90, "old"), post(105, "live")
	out := s.sift([][]byte{{}, old, live, live, []byte(`no JSON`), []byte(`{"errors":[{"title":"operational-disconnect"}]}`)}, sec(106), sp)

	if got, want := out.counts, (Counts{New: [NumSources]int{Live: 1, Backfill: 1}, Duplicates: [NumSources]int{Live: 1}, Malformed: 1, Lag: time.Second}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if !out.taking.lines || !out.taking.data || !out.old || !out.taking.newest.Equal(sec(105)) {
		t.Errorf("taking %+v, old %v", out.taking, out.old)
	}
	if out.problem == nil || string(out.garbage) != "no JSON" {
		t.Errorf("problem %v, garbage %q", out.problem, out.garbage)
	}
	if out = s.sift([][]byte{live, old}, sec(107), sp); out.read != nil || out.counts.Duplicates != [NumSources]int{Live: 1, Backfill: 1} || !out.taking.data {
		t.Errorf("a redundant copy: %+v", out)
	}
}

// What is handed out must not change with the read buffer, nor when somebody
// appends to the event before it.
func TestSieveCopiesEvents(t *testing.T) {
	s := testSieve(t)
	sp := newSpan(sec(0), 0, 30*time.Second, false)
	lines := [][]byte{post(1, "a"), post(2, "b")}
	want := []string{string(lines[0]), string(lines[1])}
	r := s.sift(lines, sec(3), sp).read
	for _, line := range lines {
		clear(line)
	}
	_ = append(r.Events[0].Raw, "overwritten"...)
	for i, e := range r.Events {
		if string(e.Raw) != want[i] {
			t.Errorf("event %d is %q, want %q", i, e.Raw, want[i])
		}
	}
	if r.bytes != int64(len(want[0])+len(want[1])) {
		t.Errorf("%d bytes are accounted for", r.bytes)
	}
}

func BenchmarkSieve(b *testing.B) {
	w, _ := dedupe.NewWindow(1_000_000, 0)
	s := &sieve{format: xapi.Post, judge: newPartition(0, Config{}, w).judge}
	sp := newSpan(sec(0), 0, 30*time.Second, false)
	lines := make([][]byte, 16)
	for i := range lines {
		lines[i] = post(float64(i), string(make([]byte, 300)))
	}
	s.sift(lines, sec(60), sp)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(lines) {
		if out := s.sift(lines, sec(60), sp); out.read != nil {
			b.Fatal("a redundant copy is new")
		}
	}
}
