package ingest

import (
	"math"
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// Reasons for which a period is lost.
const (
	lostNoBackfill = "no_backfill"     // X does not serve backfill to this account
	lostTooOld     = "beyond_backfill" // older than the five minutes that a backfill reaches back
)

// accessRetry is how long a method that X refused for lack of access is left
// out.
const accessRetry = time.Hour

// opened registers a connection that was opened with a backfill, and returns
// its span. What no backfill can bring any more is lost: opened returns those
// periods and the reason.
func (p *partition) opened(connection int, at time.Time, backfill time.Duration) (sp *span, gone []coverage.Interval, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reach, reason := maxBackfill, lostTooOld
	if at.Before(p.refusedUntil) {
		reach, reason = 0, lostNoBackfill
	}
	for _, gap := range p.doubtful(at.Add(-reach), anySpan) {
		gone = append(gone, p.ledger.Lost(gap, reason)...)
	}
	sp = newSpan(at, backfill, p.overlap, p.dataOnly)
	p.spans = append(p.spans, sp)
	p.rivalry.opened(connection, at)
	return sp, gone, reason
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

// supplanted reports whether the end of a connection shows, for the second time
// in a row, that X ends one connection when another opens.
func (p *partition) supplanted(connection int, ended time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rivalry.ended(connection, ended)
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
		p.ledger.Reopen(coverage.Interval{From: end.Add(-p.margin()), To: end})
		return true
	})
}

// margin is how far before a gap events may be missing.
func (p *partition) margin() time.Duration {
	return max(p.overlap, p.lateness.percentile999())
}

// backfill is the number of minutes to ask for at a connect at now, by X's
// clock, that may take as long as connecting: zero when nothing is missing or
// X has refused backfill lately. A connection within its heartbeat time counts
// as alive for this decision, though only its next proof will tell.
func (p *partition) backfill(now time.Time, connecting time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger == nil || now.Before(p.refusedUntil) {
		return 0
	}
	gaps := p.doubtful(now, func(s *span) bool { return now.Sub(s.heard) <= p.heartbeat })
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

// refused tells the partition that X refused backfill at now, and reports
// whether that is news.
func (p *partition) refused(now time.Time) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	news = p.refusedUntil.IsZero()
	p.refusedUntil = now.Add(accessRetry)
	return news
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
