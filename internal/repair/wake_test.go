package repair

import "time"

// wake is when a plan of these gaps may change by time alone, so that a world
// need not plan each second of its days; zero: at no time.
func (p *Planner) wake(now time.Time, gaps []Gap) (again time.Time) {
	for _, pt := range p.parts(now, gaps, p.remember(now, gaps)) {
		if pt.Empty() {
			continue
		}
		at := p.changes(now, pt)
		if soon := now.Add(time.Second); !at.IsZero() && at.Before(soon) {
			at = soon // edges are in whole seconds
		}
		again = earlier(again, at)
	}
	return again
}

// changes is the next moment at which time alone changes something for the
// part; zero: none.
func (p *Planner) changes(now time.Time, pt part) time.Time {
	switch pt.fate.kind {
	case leave:
		return p.leaves(backfill, pt)
	case reopen:
		at := p.leaves(backfill, pt)
		for _, i := range p.unasked(pt) {
			at = earlier(at, reopening(i))
		}
		return at
	case ask:
		return earlier(p.leaves(pt.fate.by, pt), p.askable(now, pt))
	case wait:
		return p.returns(now, pt)
	default:
		if pt.open && pt.Duration() < lossStep && !p.borders(pt) {
			return now.Add(lossStep - pt.Duration())
		}
		return time.Time{}
	}
}

// leaves is when the part begins to leave the reach of e, or when it has left
// it: what lies between is decided for the part before it.
func (p *Planner) leaves(e endpoint, pt part) time.Time {
	if pt.aging {
		return pt.To.Add(p.reach(e))
	}
	return pt.From.Add(p.reach(e))
}

// askable is when a part that is to be asked for can be; zero: when a job has
// ended.
func (p *Planner) askable(now time.Time, pt part) time.Time {
	if !p.window(now, pt).Empty() {
		if next := p.access[pt.fate.by].notBefore; now.Before(next) {
			return next
		}
		return time.Time{}
	}
	var at time.Time
	end, _ := p.ripened(now, pt)
	if pt.To.After(end) && !pt.open {
		at = pt.To.Add(ripe)
	}
	if !p.borders(pt) {
		at = earlier(at, now.Add(pt.From.Add(p.cfg.Window).Sub(end))) // it fills a window
	}
	if urgent := p.urgent(pt); now.Before(urgent) {
		at = earlier(at, urgent)
	}
	return at
}

// returns is when X may no longer refuse what the part waits for, or when that
// reaches no longer back to it.
func (p *Planner) returns(now time.Time, pt part) time.Time {
	var at time.Time
	for _, e := range []endpoint{recovery, recent, archive} {
		if p.allowed(e) && p.reaches(e, now, pt) {
			at = earlier(at, earlier(p.access[e].refusedUntil, p.leaves(e, pt)))
		}
	}
	return at
}
