package ingest

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// backfillSettles is how long a connection must live after its last event
// that was created before the opening, for its backfill to count as complete.
// X marks no end of a backfill.
const backfillSettles = time.Minute

// maxBackfill is the longest backfill that X serves.
const maxBackfill = 5 * time.Minute

// span is the time that one connection proves to have covered. All its times
// are X's. It is a state machine without a clock. Only its connection changes
// it, and under the lock of the partition what others read of it.
//
// A connection without backfill covers from its opening to its last proof.
// One with backfill covers nothing until the backfill has settled: X sends
// older events first, so what is live may still be waiting at X behind them.
type span struct {
	opened   time.Time
	backfill time.Duration
	seam     time.Duration // at the start of the backfill: left to a recovery as well
	overlap  time.Duration
	// dataOnly: heartbeats prove nothing, because the connection is watched
	// for silence of data and counts as dead since its last event then.
	dataOnly bool

	until   time.Time // covered up to here
	heard   time.Time // the last proof that the connection lived
	lastOld time.Time // arrival of the last event created before the opening
	settled bool

	taken taking // since the last proof
}

// taking is what was read of a connection.
type taking struct {
	lines  bool      // at least one, perhaps a heartbeat
	data   bool      // at least one event
	newest time.Time // creation of the newest event; zero: unknown
}

func newSpan(opened time.Time, backfill, overlap time.Duration, dataOnly bool) *span {
	return &span{
		opened: opened, backfill: backfill, overlap: overlap, dataOnly: dataOnly,
		until: opened, heard: opened, lastOld: opened, settled: backfill == 0,
	}
}

// from is the moment from which on the span covers everything, once its
// backfill has settled.
func (s *span) from() time.Time { return s.opened.Add(s.seam - s.backfill) }

// backlog reports whether an event created at that time belongs to the
// connection's backfill rather than to its live part.
func (s *span) backlog(created time.Time) bool {
	return !s.settled && created.Before(s.opened)
}

// take notes what was read at a moment; old says that an event of it was
// created before the opening.
func (s *span) take(at time.Time, t taking, old bool) {
	if old {
		s.lastOld = at
	}
	s.taken.lines = s.taken.lines || t.lines
	s.taken.data = s.taken.data || t.data
	if t.newest.After(s.taken.newest) {
		s.taken.newest = t.newest
	}
}

// prove returns the period that is covered and was not before, now that all
// that had arrived by proof has been taken; it may be empty.
func (s *span) prove(proof time.Time) coverage.Interval {
	taken := s.taken
	s.taken = taking{}
	if taken.lines {
		s.heard = proof
	}
	if !taken.lines || s.dataOnly && !taken.data {
		return coverage.Interval{}
	}
	if !taken.newest.IsZero() {
		proof = s.unlessBehind(proof, taken.newest)
	}
	if !s.settled {
		if proof.Before(s.lastOld.Add(backfillSettles)) {
			return coverage.Interval{}
		}
		s.settled = true
		s.until = s.from()
	}
	if !proof.After(s.until) {
		return coverage.Interval{}
	}
	proven := coverage.Interval{From: s.until, To: proof}
	s.until = proof
	return proven
}

// unlessBehind is the proof that an event created at newest gives.
//
// An event that is old when it arrives says that we, or X, or the way between
// them lag: later events may be under way, and be cut off there. But X sends in
// turn, so what was created well before this one has been sent. The same holds
// where the reader was away, and finds events that are newer than its proof.
func (s *span) unlessBehind(proof, newest time.Time) time.Time {
	lagging := newest.Add(s.overlap).Before(proof)
	away := newest.Add(-s.overlap).After(proof)
	if lagging || away {
		return newest.Add(-s.overlap)
	}
	return proof
}
