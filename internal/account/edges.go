package account

import (
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// mostEdges bounds the edges of an account. Beyond it the margin before the
// oldest is missing, whoever might have gone on from there.
const mostEdges = 100

// edge is a moment at which coverage ends just as it was proven. What was created
// within the margin before it may still have been on its way then. Whoever goes
// on from there brings it: a connection that is up, or a job that runs; if nobody
// does, the margin is missing as well.
//
// Where a recovery ended that was asked for when nothing of the margin was on its
// way any more, another goes on exactly from there: X selects both alike. Such an
// edge stays for as long as nobody covers what follows.
type edge struct {
	time.Time
	exact bool
}

type edges []edge

// cut takes the edges out that lie in a period, and returns them.
func (e *edges) cut(i coverage.Interval) (out edges) {
	*e = slices.DeleteFunc(*e, func(at edge) bool {
		lies := i.Holds(at.Time)
		if lies {
			out = append(out, at)
		}
		return lies
	})
	return out
}

// has reports whether there is an edge at that moment.
func (e edges) has(at time.Time) bool {
	return slices.ContainsFunc(e, func(o edge) bool { return o.Equal(at) })
}

// passed is the first and the last of the edges that a step covers; zero: none.
type passed struct{ first, last time.Time }

// and is what covers another edge as well.
func (p passed) and(at time.Time) passed {
	if at.IsZero() {
		return p
	}
	if p.first.IsZero() || at.Before(p.first) {
		p.first = at
	}
	if at.After(p.last) {
		p.last = at
	}
	return p
}

func passedOf(all edges) (p passed) {
	for _, at := range all {
		p = p.and(at.Time)
	}
	return p
}

// reach notes that a connection or a job has proven coverage up to a moment,
// behind which it is open.
func (a *Account) reach(at time.Time, exact bool) {
	if !a.ledger.IsOpen(at) {
		return
	}
	for n, e := range a.edges {
		if e.Equal(at) {
			a.edges[n].exact = e.exact && exact
			return
		}
	}
	a.edges = append(a.edges, edge{at, exact})
	if len(a.edges) > mostEdges {
		a.uncover(a.before(a.edges[0]))
		a.edges = a.edges[1:]
	}
}

// widen opens the account for the margin before each edge from which nobody will
// go on any more.
func (a *Account) widen() {
	a.edges = slices.DeleteFunc(a.edges, func(at edge) bool {
		if at.exact || a.goesOn(at) {
			return false
		}
		a.uncover(a.before(at))
		return true
	})
}

// leave opens the account for the margins before the edges that lie in a period
// of which nothing more will come from the stream.
func (a *Account) leave(i coverage.Interval) {
	for _, at := range a.edges.cut(i) {
		a.uncover(a.before(at))
	}
}

// before is the margin before an edge.
func (a *Account) before(at edge) coverage.Interval {
	return coverage.Interval{From: at.Add(-a.margin()), To: at.Time}
}

// goesOn reports whether a connection or a job may still cover what follows an
// edge.
func (a *Account) goesOn(at edge) bool {
	return slices.ContainsFunc(a.marks, func(w *Watermark) bool { return !w.from().After(at.Time) }) ||
		slices.ContainsFunc(a.jobs, func(j *Job) bool { return j.window.Holds(at.Time) })
}

// uncoverBefore opens the account for what a backfill does not reach of the
// margins before the edges that it covers.
func (a *Account) uncoverBefore(w *Watermark) {
	begins := w.opened.Add(-w.backfill)
	for _, at := range a.edges {
		if missed := a.before(at); missed.From.Before(begins) && !at.Before(begins) {
			missed.To = begins
			a.uncover(missed)
			a.overlap(w)
		}
	}
}

// overlap leaves the beginning of a backfill to a recovery as well, which is to
// close what lies before it. What was created there and delivered later may be
// in neither, for nobody knows by which of the two X selects.
func (a *Account) overlap(w *Watermark) {
	if a.cfg.Recovers {
		w.seam = a.margin()
	}
}

// uncover takes a period out of what was received and delivered. What waits for
// an acknowledgement must not cover it again.
func (a *Account) uncover(i coverage.Interval) {
	a.ledger.Uncover(i)
	var kept []step
	for _, s := range a.steps {
		if s.search != nil {
			kept = append(kept, s)
			continue
		}
		rest := s.proven.Without(i)
		if len(rest) == 0 {
			rest = []coverage.Interval{{}} // its edges are kept until it is settled
		}
		for n, proven := range rest {
			part := step{seq: s.seq, proven: proven, job: s.job}
			if n == 0 {
				part.passed = s.passed
			}
			kept = append(kept, part)
		}
	}
	a.steps = kept
}

// arriving is what a record does not owe of the margins before all edges, also
// those that a step covers which is not settled yet: events of that time may be on
// their way, or wait for the output.
func (a *Account) arriving() []coverage.Interval {
	var margins, arriving coverage.Set
	for _, at := range a.edges {
		margins.Add(a.before(at))
	}
	for _, s := range a.steps {
		if !s.passed.first.IsZero() {
			margins.Add(coverage.Interval{From: a.before(edge{Time: s.passed.first}).From, To: s.passed.last})
		}
	}
	for _, margin := range margins.Intervals() {
		for _, part := range a.ledger.NotOwed(margin) {
			arriving.Add(part)
		}
	}
	return arriving.Intervals()
}
