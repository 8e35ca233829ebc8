package delivery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// sec is a second of the tests' time.
func sec(n float64) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Second)))
}

// post is a line with a Post that was created at a second since start.
func post(second float64, text string) []byte {
	id := uint64(sec(second).UnixMilli()-xapi.SnowflakeTime(0)) << 22
	return fmt.Appendf(nil, `{"data":{"id":"%d","text":%q}}`, id, text)
}

// judgeBy is a Judge that knows a window and no more.
func judgeBy(w *dedupe.Window) Judge {
	return func(now time.Time, claim *dedupe.Claim, keys []dedupe.Key, verdicts []dedupe.Verdict) ([]dedupe.Verdict, Settle) {
		verdicts = w.Judge(now, claim, keys, verdicts)
		if !slices.Contains(verdicts, dedupe.New) {
			return verdicts, nil
		}
		return verdicts, func(*Read, Fate) {}
	}
}

func testDecoder(t testing.TB, origin Origin) *Decoder {
	t.Helper()
	w, err := dedupe.NewWindow(1_000_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	return NewDecoder(xapi.Post, origin, judgeBy(w))
}

func TestDecoderSaysWhatAReadContains(t *testing.T) {
	d := testDecoder(t, Origin{})
	o := Opening{At: sec(100), Unsettled: true}
	old, live := post(90, "old"), post(105, "live")
	out := d.Decode([][]byte{{}, old, live, live, []byte(`no JSON`), []byte(`{"errors":[{"title":"operational-disconnect"}]}`)}, sec(106), o)

	if got, want := out.Counts, (Counts{New: [NumSources]int{Live: 1, Backfill: 1}, Duplicates: [NumSources]int{Live: 1}, Malformed: 1, Lag: time.Second}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if !out.Arrival.Lines || !out.Arrival.Data || !out.Arrival.Old || !out.Arrival.Newest.Equal(sec(105)) {
		t.Errorf("arrival %+v", out.Arrival)
	}
	if out.Problem == nil || string(out.Garbage) != "no JSON" {
		t.Errorf("problem %v, garbage %q", out.Problem, out.Garbage)
	}
	if out = d.Decode([][]byte{live, old}, sec(107), o); out.Read != nil || out.Counts.Duplicates != [NumSources]int{Live: 1, Backfill: 1} || !out.Arrival.Data {
		t.Errorf("a redundant copy: %+v", out)
	}
}

// What is handed out must not change with the read buffer, nor when somebody
// appends to the event before it.
func TestDecoderCopiesEvents(t *testing.T) {
	d := testDecoder(t, Origin{})
	o := Opening{At: sec(0)}
	lines := [][]byte{post(1, "a"), post(2, "b")}
	want := []string{string(lines[0]), string(lines[1])}
	r := d.Decode(lines, sec(3), o).Read
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

// What a job brings has no live part: nothing of it is late, behind, or a
// backfill.
func TestDecoderOfAJob(t *testing.T) {
	d := testDecoder(t, Origin{Partition: 7, Source: Recovery})
	out := d.Decode([][]byte{post(90, "a"), post(105, "b")}, sec(5000), Opening{})
	if got, want := out.Counts, (Counts{New: [NumSources]int{Recovery: 2}}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if out.Arrival.Old || !out.Arrival.Newest.Equal(sec(105)) || len(d.DrainLateness()) != 0 {
		t.Errorf("arrival %+v", out.Arrival)
	}
	if r := out.Read; !r.repaired || r.Partition != 7 || r.Connection != 0 {
		t.Errorf("read %+v", r)
	}
}

func TestDecoderMeasuresHowLateLiveEventsAre(t *testing.T) {
	d := testDecoder(t, Origin{Connection: 1})
	o := Opening{At: sec(100), Unsettled: true}
	d.Decode([][]byte{post(90, "of the backfill"), post(101, "a"), post(103, "b")}, sec(104), o)
	d.Decode([][]byte{post(103, "b")}, sec(108), o) // a repeat says as much
	if got, want := d.DrainLateness(), []time.Duration{3 * time.Second, time.Second, 5 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("late by %v, want %v", got, want)
	}
	if got := d.DrainLateness(); len(got) != 0 {
		t.Errorf("drained twice: %v", got)
	}
}

func TestCreatedIsThePeriodOfARead(t *testing.T) {
	r := &Read{Received: sec(9), Events: []Event{{Created: sec(3).UnixMilli()}, {Created: sec(1).UnixMilli()}}}
	if oldest, newest := r.Created(); !oldest.Equal(sec(1)) || !newest.Equal(sec(3)) {
		t.Errorf("from %v to %v", oldest, newest)
	}
	r = &Read{Received: sec(9), Events: []Event{{}}} // does not say when it was created
	if oldest, newest := r.Created(); !oldest.Equal(sec(9)) || !newest.Equal(sec(9)) {
		t.Errorf("from %v to %v", oldest, newest)
	}
}

func BenchmarkDecoder(b *testing.B) {
	d := testDecoder(b, Origin{})
	o := Opening{At: sec(0)}
	lines := make([][]byte, 16)
	for i := range lines {
		lines[i] = post(float64(i), string(make([]byte, 300)))
	}
	d.Decode(lines, sec(60), o)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(lines) {
		if out := d.Decode(lines, sec(60), o); out.Read != nil {
			b.Fatal("a redundant copy is new")
		}
	}
}
