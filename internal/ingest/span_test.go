package ingest

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

func sec(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Second))) }

func period(from, to float64) coverage.Interval {
	return coverage.Interval{From: sec(from), To: sec(to)}
}

func TestSpanCoversFromOpeningToProof(t *testing.T) {
	s := newSpan(sec(0), 0, 30*time.Second, false)
	if got := s.prove(arrival{at: sec(20), proof: sec(20)}); got != period(0, 20) {
		t.Errorf("a heartbeat proves %v", got)
	}
	if got := s.prove(arrival{at: sec(21), proof: sec(21), data: true, newest: sec(19)}); got != period(20, 21) {
		t.Errorf("an event proves %v", got)
	}
	if got := s.prove(arrival{at: sec(22)}); !got.Empty() {
		t.Errorf("a line without proof proves %v", got)
	}
}

func TestSpanWhileBehindCoversToTheNewestEventLessOverlap(t *testing.T) {
	s := newSpan(sec(0), 0, 30*time.Second, false)
	s.prove(arrival{at: sec(100), proof: sec(100), data: true})
	// The reader was away for ten minutes: what it finds lay there.
	if got := s.prove(arrival{at: sec(700), proof: sec(100), data: true, newest: sec(120)}); !got.Empty() {
		t.Errorf("an event of before proves %v", got)
	}
	if got := s.prove(arrival{at: sec(701), proof: sec(100), data: true, newest: sec(160)}); got != period(100, 130) {
		t.Errorf("an event created at 160 proves %v, want until 130", got)
	}
}

func TestBackfillCountsOnceSettled(t *testing.T) {
	s := newSpan(sec(0), 2*time.Minute, 30*time.Second, false)
	for n := range 7 {
		if got := s.prove(arrival{at: sec(float64(n)), proof: sec(float64(n)), data: true, old: true}); !got.Empty() {
			t.Fatalf("second %d, backlog: proves %v", n, got)
		}
	}
	if got := s.prove(arrival{at: sec(65.9), proof: sec(65.9), data: true}); !got.Empty() {
		t.Errorf("before a minute without backlog has passed: proves %v", got)
	}
	if got := s.prove(arrival{at: sec(66), proof: sec(66), data: true}); got != period(-120, 66) {
		t.Errorf("after a minute: proves %v, want the backfill and all since", got)
	}
	if got := s.prove(arrival{at: sec(70), proof: sec(70)}); got != period(66, 70) {
		t.Errorf("then: proves %v", got)
	}
}

func TestHeartbeatsProveNothingWhileSilenceIsWatched(t *testing.T) {
	s := newSpan(sec(0), 0, 30*time.Second, true)
	if got := s.prove(arrival{at: sec(20), proof: sec(20)}); !got.Empty() {
		t.Errorf("a heartbeat proves %v", got)
	}
	if got := s.prove(arrival{at: sec(30), proof: sec(30), data: true}); got != period(0, 30) {
		t.Errorf("an event proves %v", got)
	}
}
