package repair

import (
	"sort"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// Gap is a period of a partition that nothing covers and that no live
// connection may still prove. It has been widened by the overlap already.
type Gap struct {
	Partition int
	coverage.Interval
	// BackfillDue says that a connection of the partition is about to be
	// opened, and asks for backfill.
	BackfillDue bool
}

// history is what the planner remembers of a gap for as long as anything of it
// is open. The pieces of a gap share it.
type history struct {
	found     time.Time
	posts     int  // that its searches have brought
	capped    bool // and no more may be searched
	announced bool
}

// knownGap is a gap as it was at the last plan.
type knownGap struct {
	coverage.Interval
	*history
}

// remember returns the history of each gap, and forgets the gaps that are
// gone. A gap that overlaps or touches one of the last plan is that one.
func (p *Planner) remember(now time.Time, gaps []Gap) []*history {
	before := p.known
	p.known = map[int][]knownGap{}
	histories := make([]*history, len(gaps))
	for n, g := range gaps {
		histories[n] = find(before[g.Partition], g.Interval)
		if histories[n] == nil {
			histories[n] = &history{found: now}
		}
		p.known[g.Partition] = append(p.known[g.Partition], knownGap{g.Interval, histories[n]})
	}
	return histories
}

func find(known []knownGap, i coverage.Interval) *history {
	n := sort.Search(len(known), func(n int) bool { return !known[n].To.Before(i.From) })
	if n == len(known) || known[n].From.After(i.To) {
		return nil
	}
	return known[n].history
}
