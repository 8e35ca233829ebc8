package repair

import (
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// Announcement is the plan of a gap, told when its first job is started, or
// when it no longer grows. One that grows is told again with each job.
type Announcement struct {
	Partition int
	coverage.Interval
	Shares []Share
	Wait   time.Duration // how much of it waits until X may no longer refuse a method
}

// Share is how much of a gap is asked for by a method, and in how many
// requests: for Backfill connections opened again, for Search windows, each
// over all rules and pages.
type Share struct {
	Method    Method
	SearchAll bool
	Time      time.Duration
	Requests  int
}

// outline is an announcement that is not made yet.
type outline struct {
	Announcement
	gap     *history
	settled bool // the gap no longer grows
}

// outlines sums up what the parts of the gaps that were not announced are
// assigned to.
func (p *Planner) outlines(now time.Time, gaps []Gap, histories []*history, parts []part) []*outline {
	var all []*outline
	of := map[*history]*outline{}
	for n, g := range gaps {
		h := histories[n]
		if h.announced {
			continue
		}
		if of[h] == nil {
			of[h] = &outline{Announcement{Partition: g.Partition, Interval: g.Interval}, h, true}
			all = append(all, of[h])
		}
		of[h].To = g.To
		of[h].settled = of[h].settled && p.settled(now, g)
	}
	for _, pt := range parts {
		if o := of[pt.gap]; o != nil {
			o.add(pt, p.cfg.Window)
		}
	}
	return all
}

// settled reports whether all of the gap is known and old enough to be asked
// for.
func (p *Planner) settled(now time.Time, g Gap) bool {
	due := g.BackfillDue && p.usable(backfill, now)
	return !due && !g.To.After(now.Add(-ripe))
}

func (o *outline) add(pt part, window time.Duration) {
	by := pt.fate.by
	switch pt.fate.kind {
	case ask:
	case reopen:
		by = backfill
	case wait:
		o.Wait += pt.Duration()
		return
	default:
		return
	}
	share := Share{Method: by.method(), SearchAll: by == archive}
	n := slices.IndexFunc(o.Shares, func(s Share) bool { return s.Method == share.Method && s.SearchAll == share.SearchAll })
	if n < 0 {
		n = len(o.Shares)
		o.Shares = append(o.Shares, share)
	}
	o.Shares[n].Time += pt.Duration()
	o.Shares[n].Requests += int((pt.Duration() + window - 1) / window)
}

// announce returns the outlines of which it is time to tell, now that these
// jobs were started.
func announce(outlines []*outline, started []Running) []Announcement {
	var told []Announcement
	for _, o := range outlines {
		begun := slices.ContainsFunc(started, func(r Running) bool { return r.gap == o.gap })
		if !begun && !o.settled || len(o.Shares) == 0 && o.Wait == 0 {
			continue
		}
		o.gap.announced = o.settled
		told = append(told, o.Announcement)
	}
	return told
}
