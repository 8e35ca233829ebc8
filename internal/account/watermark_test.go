package account

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func sec(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Second))) }

func period(from, to float64) coverage.Interval {
	return coverage.Interval{From: sec(from), To: sec(to)}
}

// heartbeat and event are what a read at that second brought; an event was
// created at another.
func (a *Account) heartbeat(w *Watermark, at float64) { w.Arrived(sec(at), Arrival{Lines: true}) }

func (a *Account) event(w *Watermark, at, created float64) {
	w.Arrived(sec(at), Arrival{Lines: true, Data: true, Newest: sec(created), Old: sec(created).Before(w.opened)})
}

// watch is the watermark of a connection that was opened at second 0.
func watch(t *testing.T, backfill time.Duration, dataOnly bool) (*Account, *Watermark) {
	a := testAccount(t)
	a.cfg.DataOnly = dataOnly
	return a, a.Opened(sec(0), backfill)
}

func expectProof(t *testing.T, what string, got, want coverage.Interval) {
	t.Helper()
	if got != want && (!got.Empty() || !want.Empty()) {
		t.Errorf("%s: proves %v, want %v", what, got, want)
	}
}

var nothing coverage.Interval

func TestWatermarkCoversFromOpeningToProof(t *testing.T) {
	a, s := watch(t, 0, false)
	a.heartbeat(s, 20)
	expectProof(t, "a heartbeat", s.prove(sec(20)), period(0, 20))
	a.event(s, 21, 19)
	expectProof(t, "an event", s.prove(sec(21)), period(20, 21))
	expectProof(t, "bytes without a complete line", s.prove(sec(22)), nothing)
}

func TestWatermarkWhileTheReaderWasAway(t *testing.T) {
	a, s := watch(t, 0, false)
	a.event(s, 100, 99)
	expectProof(t, "before", s.prove(sec(100)), period(0, 100))
	// The reader was away for ten minutes: what it finds lay there.
	a.event(s, 700, 120)
	expectProof(t, "an event created little later", s.prove(sec(100)), nothing)
	a.event(s, 701, 160)
	expectProof(t, "an event created a minute later", s.prove(sec(100)), period(100, 130))
}

func TestWatermarkWhileTheStreamLags(t *testing.T) {
	a, s := watch(t, 0, false)
	a.event(s, 100, 99)
	expectProof(t, "before", s.prove(sec(100)), period(0, 100))
	// The bytes trickle: each line was complete just now, and is old.
	a.event(s, 200, 140)
	expectProof(t, "an event a minute old", s.prove(sec(200)), period(100, 110))
	a.event(s, 300, 100)
	expectProof(t, "a single straggler", s.prove(sec(300)), nothing)
	a.heartbeat(s, 320)
	expectProof(t, "a heartbeat: X has nothing left to send", s.prove(sec(320)), period(110, 320))
}

func TestBackfillCountsOnceSettled(t *testing.T) {
	a, s := watch(t, 2*time.Minute, false)
	for n := range 7 {
		a.event(s, float64(n), -1)
		expectProof(t, "backlog", s.prove(sec(float64(n))), nothing)
	}
	a.event(s, 65.9, 65)
	expectProof(t, "before a minute without backlog has passed", s.prove(sec(65.9)), nothing)
	a.event(s, 66, 65)
	expectProof(t, "after a minute", s.prove(sec(66)), period(-120, 66))
	a.heartbeat(s, 70)
	expectProof(t, "then", s.prove(sec(70)), period(66, 70))
}

func TestHeartbeatsProveNothingWhileSilenceIsWatched(t *testing.T) {
	a, s := watch(t, 0, true)
	a.heartbeat(s, 20)
	expectProof(t, "a heartbeat", s.prove(sec(20)), nothing)
	a.event(s, 30, 29)
	expectProof(t, "an event", s.prove(sec(30)), period(0, 30))
}
