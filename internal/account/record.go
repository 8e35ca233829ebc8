package account

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

// Record is what is kept of an account across a restart: all that decides. What
// is open after a restart contains what would be open if everything had ended
// when the record was made.
type Record struct {
	coverage.Snapshot
	// Arriving is what of that was delivered but may not be complete: events of
	// it may have been on their way. Nobody goes on from there after a restart,
	// so it is asked for again.
	Arriving []coverage.Interval `json:"arriving,omitempty"`
	// Lateness is how many events came so many seconds late: the margin.
	Lateness []int64 `json:"lateness,omitempty"`
	// Jobs are those that were running.
	Jobs []Work `json:"jobs,omitempty"`
	// Keys are those of delivered events that a repair of the gaps may bring
	// again, packed. Only a graceful stop saves them.
	Keys []byte `json:"keys,omitempty"`

	// Frontier is where coverage ended, in records of before Arriving.
	Frontier time.Time `json:"frontier,omitzero"`
}

// Work is a job that was running, as a record shows it.
type Work struct {
	Method  string            `json:"method"`
	Window  coverage.Interval `json:"window"`
	Since   time.Time         `json:"since"`
	Reached time.Time         `json:"reached"` // everything of the window up to here has been brought
	Events  int               `json:"events"`
}

// Record writes the account down; ok is false as long as it is not open. It
// shares no memory with the account.
func (a *Account) Record() (r Record, ok bool) {
	if a.ledger == nil {
		return Record{}, false
	}
	r = Record{Snapshot: a.ledger.Snapshot(), Arriving: a.arriving(), Lateness: a.lateness.counts()}
	for _, j := range a.jobs {
		r.Jobs = append(r.Jobs, Work{Method: j.method, Window: j.window, Since: j.since, Reached: j.reached, Events: j.events})
	}
	return r, true
}

// Restore goes on from a record. What is kept of the window is remembered as
// seen at now.
func (a *Account) Restore(r Record, now time.Time) error {
	keys, err := dedupe.Unpack(r.Keys)
	if err != nil {
		return err
	}
	a.ledger = r.Ledger()
	a.lateness.restore(r.Lateness)
	if !r.Frontier.IsZero() && a.ledger.IsUndelivered(r.Frontier) {
		r.Arriving = append(r.Arriving, a.before(edge{Time: r.Frontier}))
	}
	for _, i := range r.Arriving {
		a.uncover(i)
	}
	a.pin(a.window.Restore(now, keys))
	return nil
}

// Open returns the periods up to a moment that whoever goes on from r finds
// open, oldest first.
func (r Record) Open(until time.Time) []coverage.Interval {
	var open coverage.Set
	for _, i := range append(r.Gaps(until), r.Arriving...) {
		open.Add(i)
	}
	return open.Intervals()
}

// Repeatable are the periods of which a repair after a restart from r may bring
// again what was delivered. The last has no end: nobody knows when a connection
// will be opened, or how much of a backfill it will ask for.
func (r Record) Repeatable() []coverage.Interval {
	end := r.End()
	return append(aroundGaps(r.Open(end)), coverage.Interval{From: end.Add(-MaxBackfill), To: end.Add(forEver)})
}

// forEver is longer than any restart takes.
const forEver = 100 * 365 * 24 * time.Hour

// Delivered appends the keys of delivered events that a piece of the window
// knows around these periods. A key of what was not acknowledged among them
// would be a silent loss.
func (a *Account) Delivered(keys []dedupe.Key, piece int, periods []coverage.Interval) []dedupe.Key {
	for _, s := range a.window.Look(piece, within(periods)) {
		if s.Claim.Acknowledged() {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// Pinned appends the pinned keys of delivered events.
func (a *Account) Pinned(keys []dedupe.Key) []dedupe.Key {
	for k, claim := range a.pins {
		if claim.Acknowledged() {
			keys = append(keys, k)
		}
	}
	return keys
}
