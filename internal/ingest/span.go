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
// are X's. It is a state machine without a clock.
//
// A connection without backfill covers from its opening to its last proof.
// One with backfill covers nothing until the backfill has settled: X sends
// older events first, so what is live may still be waiting at X behind them.
type span struct {
	opened   time.Time
	backfill time.Duration
	overlap  time.Duration
	// dataOnly: heartbeats prove nothing, because the connection is watched
	// for silence of data and counts as dead since its last event then.
	dataOnly bool

	until   time.Time // covered up to here
	lastOld time.Time // arrival of the last event created before the opening
	settled bool
}

func newSpan(opened time.Time, backfill, overlap time.Duration, dataOnly bool) *span {
	return &span{
		opened: opened, backfill: backfill, overlap: overlap, dataOnly: dataOnly,
		until: opened, lastOld: opened, settled: backfill == 0,
	}
}

// arrival is what one read says of the connection's coverage.
type arrival struct {
	at     time.Time // when it was read
	proof  time.Time // when its newest line is proven to have arrived; zero: no proof
	data   bool      // it holds at least one event
	old    bool      // it holds an event created before the opening
	newest time.Time // creation of its newest event; zero: unknown
}

// backlog reports whether an event created at that time belongs to the
// connection's backfill rather than to its live part.
func (s *span) backlog(created time.Time) bool {
	return !s.settled && created.Before(s.opened)
}

// prove returns the period that a proves to be covered and that was not
// before; it may be empty.
func (s *span) prove(a arrival) coverage.Interval {
	if a.old {
		s.lastOld = a.at
	}
	if s.dataOnly && !a.data {
		return coverage.Interval{}
	}
	proof := a.proof
	// While we lag behind X, an event that X sent in its turn proves that what
	// was created well before it has been sent too.
	if behind := a.newest.Add(-s.overlap); !a.newest.IsZero() && behind.After(proof) {
		proof = behind
	}
	if !s.settled {
		if proof.Before(s.lastOld.Add(backfillSettles)) {
			return coverage.Interval{}
		}
		s.settled = true
		s.until = s.opened.Add(-s.backfill)
	}
	if !proof.After(s.until) {
		return coverage.Interval{}
	}
	proven := coverage.Interval{From: s.until, To: proof}
	s.until = proof
	return proven
}
