package ingest

import (
	"math"
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// opened registers a connection that was opened with a backfill, and returns
// its span.
func (p *partition) opened(at time.Time, backfill time.Duration) *span {
	p.mu.Lock()
	defer p.mu.Unlock()
	sp := newSpan(at, backfill, p.overlap, p.dataOnly)
	if begins := sp.from(); backfill > 0 && p.recovers && p.ledger.IsOpen(begins.Add(-1)) {
		// The gap goes on before the backfill, and a recovery closes that part.
		// What was created there and delivered later may be in neither, for
		// nobody knows by which of the two X selects: the parts overlap.
		sp.seam = p.margin()
	}
	p.spans = append(p.spans, sp)
	return sp
}

// closeSeams gives the beginning of each backfill back to it: X grants no
// recovery that could close it as well.
func (p *partition) closeSeams() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.spans {
		if s.seam == 0 {
			continue
		}
		to := s.from()
		s.seam = 0
		if s.settled {
			p.receive(step{proven: coverage.Interval{From: s.from(), To: to}})
		}
	}
}

// settled reports whether the span of a connection has no backfill under way.
func (p *partition) settled(sp *span) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return sp.settled
}

// ended records the end of a connection.
func (p *partition) ended(sp *span) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spans = slices.DeleteFunc(p.spans, func(s *span) bool { return s == sp })
	if sp.settled {
		p.ends = append(p.ends, sp.until)
	}
	p.widen()
}

// widen opens the ledger for the margin before each gap that has become
// certain: events may have been on their way when the coverage ended. As long
// as another connection that was up at that moment lives, it may still prove
// that there is no gap.
func (p *partition) widen() {
	// What is opened below must not open the ends before it.
	p.ends = slices.DeleteFunc(p.ends, func(end time.Time) bool { return !p.ledger.IsOpen(end) })
	p.ends = slices.DeleteFunc(p.ends, func(end time.Time) bool {
		if !p.horizon(end.Add(1), anySpan).After(end) {
			return false
		}
		p.reopen(coverage.Interval{From: end.Add(-p.margin()), To: end})
		return true
	})
}

// reopen opens the ledger for a period. What waits for an acknowledgement must
// not close it again.
func (p *partition) reopen(i coverage.Interval) {
	p.ledger.Reopen(i)
	var kept []step
	for _, s := range p.steps {
		if s.search != nil {
			kept = append(kept, s)
			continue
		}
		for _, rest := range s.proven.Without(i) {
			kept = append(kept, step{seq: s.seq, proven: rest, live: s.live})
		}
	}
	p.steps = kept
}

// margin is how far before a gap events may be missing.
func (p *partition) margin() time.Duration {
	return max(p.overlap, p.lateness.percentile999())
}

// backfill is the number of minutes to ask for at a connect at now, by X's
// clock, that may take as long as connecting: zero when nothing is missing. A
// connection within its heartbeat time counts as alive for this decision,
// though only its next proof will tell.
func (p *partition) backfill(now time.Time, connecting time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger == nil {
		return 0
	}
	gaps := p.doubtful(now, func(s *span) bool { return now.Sub(s.heard) <= p.heartbeat })
	// What a recovery closes is not asked for as well.
	reach := maxBackfill
	if p.recovers {
		reach -= p.margin()
	}
	gaps = slices.DeleteFunc(gaps, func(gap coverage.Interval) bool { return !gap.To.After(now.Add(-reach)) })
	if len(gaps) == 0 {
		return 0
	}
	if p.always {
		return int(maxBackfill / time.Minute)
	}
	from := gaps[0].From
	if slices.ContainsFunc(p.ends, from.Equal) {
		from = from.Add(-p.margin()) // not widened yet
	}
	missing := min(now.Sub(from)+connecting, maxBackfill)
	return int(math.Ceil(missing.Minutes()))
}

// doubtful returns the gaps up to a moment that none of those spans covers if
// its connection is alive, oldest first.
func (p *partition) doubtful(until time.Time, alive func(*span) bool) []coverage.Interval {
	return p.ledger.Open(p.horizon(until, alive))
}

// horizon is the moment from which on one of those spans may cover everything,
// and until if none does before.
func (p *partition) horizon(until time.Time, alive func(*span) bool) time.Time {
	for _, s := range p.spans {
		if from := s.from(); alive(s) && from.Before(until) {
			until = from
		}
	}
	return until
}

func anySpan(*span) bool { return true }
