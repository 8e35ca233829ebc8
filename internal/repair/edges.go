package repair

import (
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// ripe is the age that the end of a window must have: before, X may not have
// stored all of it.
const ripe = time.Minute

// part is a period of a gap that meets one fate.
type part struct {
	coverage.Interval
	partition int
	due       bool // Gap.BackfillDue
	gap       *history
	fate      fate
	// open: the part ends where something younger of its gap begins, which may
	// grow old enough to share its fate.
	open bool
	// aging: the part before is open, so the oldest moments of this one go over
	// to it, and need no decision of their own.
	aging bool
}

// reach is how old a moment may be for e to bring it.
func (p *Planner) reach(e endpoint) time.Duration {
	if bound := p.cfg.MaxAge; bound > 0 {
		return min(bound, e.reach())
	}
	return e.reach()
}

// edge is the first moment that e reaches at now.
func (p *Planner) edge(e endpoint, now time.Time) time.Time {
	return ceil(now.Add(-p.reach(e)))
}

// expires is when e reaches no longer back to the start of the part.
func (p *Planner) expires(e endpoint, pt part) time.Time { return pt.From.Add(p.reach(e)) }

// parts cuts what no job is at of the gaps at the edges of the methods, assigns
// each part, and joins neighbours that meet the same fate.
func (p *Planner) parts(now time.Time, gaps []Gap, histories []*history) []part {
	busy := map[int]*coverage.Set{}
	for _, r := range p.running {
		if busy[r.Partition] == nil {
			busy[r.Partition] = new(coverage.Set)
		}
		busy[r.Partition].Add(r.Window)
	}
	var parts []part
	for n, g := range gaps {
		free := []coverage.Interval{g.Interval}
		if h := busy[g.Partition]; h != nil {
			free = h.Missing(g.Interval)
		}
		whole := part{partition: g.Partition, due: g.BackfillDue, gap: histories[n]}
		for _, i := range free {
			whole.Interval = i
			parts = append(parts, p.cut(now, whole)...)
			last := &parts[len(parts)-1]
			last.open = p.borders(*last)
		}
	}
	return parts
}

// cut returns the parts of whole, oldest first.
func (p *Planner) cut(now time.Time, whole part) []part {
	var parts []part
	for _, i := range split(whole.Interval, p.edges(now)) {
		next := whole
		next.Interval = i
		next.fate = p.assign(now, next)
		if n := len(parts); n > 0 {
			last := &parts[n-1]
			if last.fate == next.fate {
				last.To = next.To
				continue
			}
			last.open = next.fate.kind != lose
			next.aging = last.open
		}
		parts = append(parts, next)
	}
	return parts
}

// borders reports whether the part ends at the window of a job of another
// endpoint: should that break, what it leaves may have grown as old.
func (p *Planner) borders(pt part) bool {
	return slices.ContainsFunc(p.running, func(r Running) bool {
		other := pt.fate.kind != ask || pt.fate.by != r.endpoint()
		return other && r.Partition == pt.partition && r.Window.From.Equal(pt.To)
	})
}

// edges returns the moments at which a fate may change, in order.
func (p *Planner) edges(now time.Time) []time.Time {
	var edges []time.Time
	for e := range endpoints {
		edges = append(edges, p.edge(e, now))
	}
	slices.SortFunc(edges, time.Time.Compare)
	return edges
}

// split cuts i at those moments, which are sorted.
func split(i coverage.Interval, at []time.Time) []coverage.Interval {
	var parts []coverage.Interval
	for _, edge := range at {
		if edge.After(i.From) && edge.Before(i.To) {
			parts = append(parts, coverage.Interval{From: i.From, To: edge})
			i.From = edge
		}
	}
	if !i.Empty() {
		parts = append(parts, i)
	}
	return parts
}

func floor(t time.Time) time.Time { return t.Truncate(time.Second) }

func ceil(t time.Time) time.Time {
	if f := floor(t); f.Before(t) {
		return f.Add(time.Second)
	}
	return t
}

// earlier is the earlier of a and b; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
