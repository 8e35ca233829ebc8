package account

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

// Ticket stands for the new events of one read until they are settled. The zero
// Ticket stands for none.
type Ticket struct {
	settle func() *uint64
}

// Any reports whether there is something to settle.
func (t Ticket) Any() bool { return t.settle != nil }

// Judge tells which events of a read at now are new, appends a verdict for each
// to verdicts, and tracks the read if any is: then Settled must be called with
// the ticket, once, when the output has taken or refused all of them.
//
// Both happen in one step. Another connection that finds these events known may
// prove their time at any moment, and until they are settled that must not
// count as delivered.
func (a *Account) Judge(now time.Time, claim *dedupe.Claim, keys []dedupe.Key, verdicts []dedupe.Verdict) ([]dedupe.Verdict, Ticket) {
	had := len(verdicts)
	verdicts = a.pins.judge(a.window, now, claim, keys, verdicts)
	for _, v := range verdicts[had:] {
		if v == dedupe.New {
			return verdicts, a.track()
		}
	}
	return verdicts, Ticket{}
}

func (a *Account) track() Ticket {
	a.seq++
	return Ticket{a.unsettled.Track(a.seq, 1)}
}

// Settled tells that the output has taken the new events of a read, or refused
// them for good: see Refused.
func (a *Account) Settled(t Ticket) {
	if seq := t.settle(); seq != nil {
		a.deliver(*seq)
	}
}

// Refused records that the output refused events for good, which were created
// from oldest to newest.
func (a *Account) Refused(oldest, newest time.Time, events int) {
	a.ledger.Rejected(oldest, newest, events)
}

// step is coverage that counts as delivered once the read seq and all before it
// are settled.
type step struct {
	seq    uint64
	proven coverage.Interval
	passed passed           // edges that it covers
	job    bool             // a job brought it, and no connection that is up
	exact  bool             // its end is an exact edge
	search *coverage.Search // nil: the stream brought it
}

// receive records that everything of a step's period is tracked.
func (a *Account) receive(next step) {
	if next.search != nil {
		a.leave(next.proven)
	}
	a.ledger.Received(next.proven)
	next.passed = passedOf(a.edges.cut(next.proven))
	if next.search == nil {
		a.reach(next.proven.To, next.exact)
	}
	next.seq = a.seq
	switch {
	case a.unsettled.Pending() == 0:
		a.done(next)
	case !a.joins(next):
		a.steps = append(a.steps, next)
	}
}

// joins makes one step of two that connections have proven in turns.
func (a *Account) joins(next step) bool {
	n := len(a.steps)
	if n == 0 || a.steps[n-1].seq != next.seq || a.steps[n-1].job || next.job {
		return false
	}
	last := &a.steps[n-1]
	if next.proven.From.After(last.proven.To) || next.proven.To.Before(last.proven.From) {
		return false
	}
	last.passed = last.passed.and(next.passed.first).and(next.passed.last)
	last.proven = last.proven.Hull(next.proven)
	return true
}

// deliver moves the delivered coverage over all steps up to seq.
func (a *Account) deliver(seq uint64) {
	n := 0
	for n < len(a.steps) && a.steps[n].seq <= seq {
		a.done(a.steps[n])
		n++
	}
	a.steps = a.steps[n:]
}

func (a *Account) done(s step) {
	if s.search != nil {
		a.ledger.Searched(*s.search)
	} else {
		a.ledger.Deliver(s.proven)
	}
}
