package ingest

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
func (s *span) heartbeat(at float64) { s.take(sec(at), taking{lines: true}, false) }

func (s *span) event(at, created float64) {
	s.take(sec(at), taking{lines: true, data: true, newest: sec(created)}, sec(created).Before(s.opened))
}

func expectProof(t *testing.T, what string, got, want coverage.Interval) {
	t.Helper()
	if got != want && (!got.Empty() || !want.Empty()) {
		t.Errorf("%s: proves %v, want %v", what, got, want)
	}
}

var nothing coverage.Interval

func TestSpanCoversFromOpeningToProof(t *testing.T) {
	s := newSpan(sec(0), 0, 30*time.Second, false)
	s.heartbeat(20)
	expectProof(t, "a heartbeat", s.prove(sec(20)), period(0, 20))
	s.event(21, 19)
	expectProof(t, "an event", s.prove(sec(21)), period(20, 21))
	expectProof(t, "bytes without a complete line", s.prove(sec(22)), nothing)
}

func TestSpanWhileTheReaderWasAway(t *testing.T) {
	s := newSpan(sec(0), 0, 30*time.Second, false)
	s.event(100, 99)
	expectProof(t, "before", s.prove(sec(100)), period(0, 100))
	// The reader was away for ten minutes: what it finds lay there.
	s.event(700, 120)
	expectProof(t, "an event created little later", s.prove(sec(100)), nothing)
	s.event(701, 160)
	expectProof(t, "an event created a minute later", s.prove(sec(100)), period(100, 130))
}

func TestSpanWhileTheStreamLags(t *testing.T) {
	s := newSpan(sec(0), 0, 30*time.Second, false)
	s.event(100, 99)
	expectProof(t, "before", s.prove(sec(100)), period(0, 100))
	// The bytes trickle: each line was complete just now, and is old.
	s.event(200, 140)
	expectProof(t, "an event a minute old", s.prove(sec(200)), period(100, 110))
	s.event(300, 100)
	expectProof(t, "a single straggler", s.prove(sec(300)), nothing)
	s.heartbeat(320)
	expectProof(t, "a heartbeat: X has nothing left to send", s.prove(sec(320)), period(110, 320))
}

func TestBackfillCountsOnceSettled(t *testing.T) {
	s := newSpan(sec(0), 2*time.Minute, 30*time.Second, false)
	for n := range 7 {
		s.event(float64(n), -1)
		expectProof(t, "backlog", s.prove(sec(float64(n))), nothing)
	}
	s.event(65.9, 65)
	expectProof(t, "before a minute without backlog has passed", s.prove(sec(65.9)), nothing)
	s.event(66, 65)
	expectProof(t, "after a minute", s.prove(sec(66)), period(-120, 66))
	s.heartbeat(70)
	expectProof(t, "then", s.prove(sec(70)), period(66, 70))
}

func TestHeartbeatsProveNothingWhileSilenceIsWatched(t *testing.T) {
	s := newSpan(sec(0), 0, 30*time.Second, true)
	s.heartbeat(20)
	expectProof(t, "a heartbeat", s.prove(sec(20)), nothing)
	s.event(30, 29)
	expectProof(t, "an event", s.prove(sec(30)), period(0, 30))
}
