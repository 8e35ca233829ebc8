package repair

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// lossStep is how long a loss that grows must be to be told: each tick would
// be an entry of the ledger.
const lossStep = 10 * time.Minute

// start asks for windows by the method until so many of its jobs run, first
// for what expires first.
func (p *Planner) start(now time.Time, parts []part, by Method, limit int, plan *Plan) {
	for _, r := range p.running {
		if r.Method == by {
			limit--
		}
	}
	for ; limit > 0; limit-- {
		n, window := p.next(now, parts, by)
		if n < 0 {
			return
		}
		pt := parts[n]
		job := Job{Method: by, Partition: pt.partition, Window: window, SearchAll: pt.fate.by == archive}
		if by == Search && p.cfg.MaxPosts > 0 {
			job.MaxPosts = p.cfg.MaxPosts - pt.gap.posts
		}
		plan.Start = append(plan.Start, job)
		p.running = append(p.running, Running{Job: job, Since: now, gap: pt.gap})
		occupy(parts, job)
	}
}

// next returns the part that is to be asked for next by the method, and the
// window of it; -1 is none.
func (p *Planner) next(now time.Time, parts []part, by Method) (int, coverage.Interval) {
	best, asked := -1, coverage.Interval{}
	for n, pt := range parts {
		if pt.fate.kind != ask || pt.fate.by.method() != by || now.Before(p.access[pt.fate.by].notBefore) {
			continue
		}
		if best >= 0 && !p.expires(pt.fate.by, pt).Before(p.expires(parts[best].fate.by, parts[best])) {
			continue
		}
		if window := p.window(now, pt); !window.Empty() {
			best, asked = n, window
		}
	}
	return best, asked
}

// window returns the first window of a part that is asked for; it is empty as
// long as there is a reason to wait. A part that still grows old enough waits
// until it fills a window, so that one request suffices, unless a quarter of
// the time in which it can be asked for is all that is left.
func (p *Planner) window(now time.Time, pt part) coverage.Interval {
	end, growing := p.ripened(now, pt)
	if pt.From.Add(p.cfg.Window).Before(end) {
		return coverage.Interval{From: floor(pt.From), To: floor(pt.From).Add(p.cfg.Window)}
	}
	if growing && end.Before(pt.From.Add(p.cfg.Window)) && now.Before(p.urgent(pt)) {
		return coverage.Interval{}
	}
	if !pt.From.Before(end) {
		return coverage.Interval{}
	}
	return coverage.Interval{From: floor(pt.From), To: ceil(end)}
}

// ripened is up to where the part may be asked for, and whether that moves.
func (p *Planner) ripened(now time.Time, pt part) (end time.Time, growing bool) {
	if limit := floor(now.Add(-ripe)); pt.To.After(limit) {
		return limit, true
	}
	return pt.To, pt.open
}

// urgent is when the part may no longer wait to fill a window.
func (p *Planner) urgent(pt part) time.Time {
	return p.expires(pt.fate.by, pt).Add(-p.reach(pt.fate.by) / 4)
}

// occupy takes what the job asks for out of the parts: its window, rounded
// outward, may reach into neighbours.
func occupy(parts []part, job Job) {
	for n := range parts {
		pt := &parts[n]
		if pt.partition != job.Partition || pt.Intersect(job.Window).Empty() {
			continue
		}
		if pt.From.Before(job.Window.From) {
			pt.To = job.Window.From
		} else {
			pt.From, pt.aging = job.Window.To, false
		}
	}
}

// lose tells which parts are lost.
func (plan *Plan) lose(now time.Time, parts []part) {
	for _, pt := range parts {
		if pt.fate.kind != lose || pt.open && pt.Duration() < lossStep {
			continue
		}
		plan.Lost = append(plan.Lost, Loss{pt.partition, pt.Interval, pt.fate.reason})
	}
}
