package account

import (
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

const (
	// MaxBackfill is the longest backfill that X serves (docs.x.com: "Recovery
	// and redundancy features").
	MaxBackfill = 5 * time.Minute

	// backfillSettles is how long a connection must live after its last event
	// that was created before the opening, for its backfill to count as
	// complete. X marks no end of a backfill.
	backfillSettles = time.Minute
)

// Watermark is up to when one connection has shown everything.
//
// A connection without backfill covers from its opening to its last proof. One
// with backfill covers nothing until the backfill has settled: X sends older
// events first, so what is live may still be waiting at X behind them.
//
// Where the account's DataOnly is set heartbeats prove nothing, because the
// connection is watched for silence of data and counts as dead since its last
// event then.
type Watermark struct {
	opened   time.Time
	backfill time.Duration
	seam     time.Duration // at the start of the backfill: left to a recovery as well
	overlap  time.Duration
	dataOnly bool

	until   time.Time // covered up to here
	heard   time.Time // the last proof that the connection lived
	lastOld time.Time // arrival of the last event that was created before the opening
	settled bool

	unproven Arrival   // what came since the last proof
	came     time.Time // when the latest event of that came
}

// Arrival is what a read of a connection brought.
type Arrival struct {
	Lines  bool      // at least one, perhaps a heartbeat
	Data   bool      // at least one event
	Newest time.Time // creation of the newest event; zero: unknown
	Old    bool      // an event was created before the connection's opening
}

// Opened tells that a connection was opened with a backfill (0: none), and
// returns its watermark.
func (a *Account) Opened(at time.Time, backfill time.Duration) *Watermark {
	w := &Watermark{
		opened: at, backfill: backfill, overlap: a.cfg.Overlap, dataOnly: a.cfg.DataOnly,
		until: at, heard: at, lastOld: at, settled: backfill == 0,
	}
	if backfill > 0 && a.ledger.IsOpen(w.from().Add(-1)) {
		a.overlap(w) // the gap goes on before the backfill
	}
	if backfill == 0 && len(a.ledger.Open(at)) == 0 {
		a.reach(at, false) // nothing is missing before, but what is on its way
	}
	a.marks = append(a.marks, w)
	return w
}

// Arrived notes what was read of the connection at a moment. It touches nothing
// but what the next Proved of this watermark reads, so whoever reads the
// connection calls it without owning the account.
func (w *Watermark) Arrived(at time.Time, what Arrival) {
	if what.Old {
		w.lastOld = at
	}
	w.unproven.Lines = w.unproven.Lines || what.Lines
	if what.Data {
		w.unproven.Data, w.came = true, at
	}
	if what.Newest.After(w.unproven.Newest) {
		w.unproven.Newest = what.Newest
	}
}

// Proved tells that all that had arrived on a connection by a moment has been
// read and judged. It returns the gaps that a backfill has closed by that.
func (a *Account) Proved(w *Watermark, proof time.Time) (closed []coverage.Interval) {
	settled := w.settled
	proven := w.prove(proof)
	if proven.Empty() {
		return nil
	}
	if !settled {
		a.uncoverBefore(w)
		if proven.From = w.from(); proven.Empty() {
			return nil
		}
		for _, gap := range a.ledger.Open(w.opened) {
			if part := gap.Intersect(proven); !part.Empty() {
				closed = append(closed, part)
			}
		}
	}
	a.receive(step{proven: proven})
	return closed
}

// Ended tells that a connection has ended.
func (a *Account) Ended(w *Watermark) {
	a.marks = slices.DeleteFunc(a.marks, func(o *Watermark) bool { return o == w })
	a.widen()
}

// Up reports whether a connection is up.
func (a *Account) Up() bool { return len(a.marks) > 0 }

// CloseSeams gives the beginning of each backfill back to it: X grants no
// recovery that could close it as well.
func (a *Account) CloseSeams() {
	for _, w := range a.marks {
		if w.seam == 0 {
			continue
		}
		to := w.from()
		w.seam = 0
		if w.settled {
			a.receive(step{proven: coverage.Interval{From: w.from(), To: to}})
		}
	}
}

// Settled reports whether the connection has no backfill under way.
func (w *Watermark) Settled() bool { return w.settled }

// Opened is when the connection was opened.
func (w *Watermark) Opened() time.Time { return w.opened }

// from is the moment from which on the connection covers everything, once its
// backfill has settled.
func (w *Watermark) from() time.Time { return w.opened.Add(w.seam - w.backfill) }

// prove returns the period that is covered and was not before, now that all
// that had arrived by proof has been judged; it may be empty.
func (w *Watermark) prove(proof time.Time) coverage.Interval {
	came := w.unproven
	w.unproven = Arrival{}
	if came.Lines {
		w.heard = proof
	}
	if !came.Lines || w.dataOnly && !came.Data {
		return coverage.Interval{}
	}
	if !came.Newest.IsZero() {
		proof = w.unlessBehind(proof, came.Newest)
	}
	if !w.settled {
		if proof.Before(w.lastOld.Add(backfillSettles)) {
			return coverage.Interval{}
		}
		w.settled = true
		w.until = w.from()
	}
	if !proof.After(w.until) {
		return coverage.Interval{}
	}
	proven := coverage.Interval{From: w.until, To: proof}
	w.until = proof
	return proven
}

// unlessBehind is the proof that an event created at newest gives.
//
// An event that is old when it arrives says that we, or X, or the way between
// them lag: later events may be under way, and be cut off there. But X sends in
// turn, so what was created well before this one has been sent. The same holds
// where the reader was away, and finds events that are newer than its proof.
func (w *Watermark) unlessBehind(proof, newest time.Time) time.Time {
	lagging := newest.Add(w.overlap).Before(w.came)
	away := newest.Add(-w.overlap).After(proof)
	if lagging || away {
		return newest.Add(-w.overlap)
	}
	return proof
}
