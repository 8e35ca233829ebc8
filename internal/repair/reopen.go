package repair

import (
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// reopenBy is the age of a gap's start at which a connection is opened again
// at the latest: a minute before its backfill would no longer reach back so
// far.
const reopenBy = backfillReach - time.Minute

// reopen asks for backfill where no reconnect is due. It waits until the end
// of the gap is a minute old: a reconnect that comes meanwhile costs nothing,
// and what flaps is repaired by one reopening.
func (p *Planner) reopen(now time.Time, parts []part, plan *Plan) {
	for _, asked := range p.reopened {
		asked.Remove(coverage.Interval{To: p.edge(backfill, now)})
	}
	for _, pt := range parts {
		if pt.fate.kind != reopen {
			continue
		}
		for _, i := range p.unasked(pt) {
			if now.Before(reopening(i)) {
				continue
			}
			if !slices.Contains(plan.Reopen, pt.partition) {
				plan.Reopen = append(plan.Reopen, pt.partition)
			}
			// Its backfill brings everything up to now, also other gaps.
			p.reopened[pt.partition].Add(coverage.Interval{From: i.From, To: now})
		}
	}
}

// unasked returns what of the part no connection was opened again for.
func (p *Planner) unasked(pt part) []coverage.Interval {
	if p.reopened[pt.partition] == nil {
		p.reopened[pt.partition] = new(coverage.Set)
	}
	return p.reopened[pt.partition].Missing(pt.Interval)
}

// reopening is when a connection is opened again for i.
func reopening(i coverage.Interval) time.Time {
	return earlier(i.To.Add(ripe), i.From.Add(reopenBy))
}
