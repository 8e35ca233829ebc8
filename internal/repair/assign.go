package repair

import "time"

// fate is what becomes of a part.
type fate struct {
	kind   kind
	by     endpoint // of ask
	reason string   // of lose
}

type kind int

const (
	leave  kind = iota // to the backfill of the reconnect that is due
	ask                // for windows of it
	reopen             // a healthy connection, with backfill
	wait               // until X may no longer refuse a method
	lose
)

// assign decides the fate of a part that no edge cuts.
func (p *Planner) assign(now time.Time, pt part) fate {
	fresh := p.usable(backfill, now) && p.reaches(backfill, now, pt)
	switch {
	case fresh && pt.due:
		return fate{kind: leave}
	case p.usable(recovery, now) && p.reaches(recovery, now, pt):
		return fate{kind: ask, by: recovery}
	case fresh:
		return fate{kind: reopen}
	case p.usable(recent, now) && p.reaches(recent, now, pt):
		return fate{kind: ask, by: recent}
	case p.usable(archive, now) && p.reaches(archive, now, pt):
		return fate{kind: ask, by: archive}
	case p.mayReturn(now, pt):
		return fate{kind: wait}
	}
	return fate{kind: lose, reason: p.reason(now, pt)}
}

// reaches reports whether the part is young enough for e, and e may bring more
// of its gap.
func (p *Planner) reaches(e endpoint, now time.Time, pt part) bool {
	if e.method() == Search && pt.gap.capped {
		return false
	}
	return !pt.From.Before(p.edge(e, now))
}

// mayReturn reports whether a method that X refuses now could still bring the
// part. Backfill is not waited for: it reaches back five minutes, and is tried
// again in an hour.
func (p *Planner) mayReturn(now time.Time, pt part) bool {
	for _, e := range []endpoint{recovery, recent, archive} {
		if !p.allowed(e) || !p.reaches(e, now, pt) {
			continue
		}
		if e != archive || now.Before(p.access[e].refusedSince.Add(archivePatience)) {
			return true
		}
	}
	return false
}

// reason says why nothing can bring the part.
func (p *Planner) reason(now time.Time, pt part) string {
	switch {
	case len(p.cfg.Methods) == 0:
		return NoMethod
	case pt.From.Before(p.edge(archive, now)): // which only Config.MaxAge can bound
		return MaxAge
	case p.allowed(archive):
		return either(pt.gap.capped, MaxPosts, NoSearch)
	case p.allowed(recent):
		if pt.gap.capped && !pt.From.Before(p.edge(recent, now)) {
			return MaxPosts
		}
		return p.missed(recent, pt, NoSearch, BeyondSearch)
	case p.allowed(recovery):
		return p.missed(recovery, pt, NoRecovery, BeyondRecovery)
	default:
		return either(p.leftOut(backfill, now), NoBackfill, BeyondBackfill)
	}
}

// missed says why e, the method that reaches furthest, did not bring a part
// that is too old for it now.
func (p *Planner) missed(e endpoint, pt part, refused, beyond string) string {
	switch {
	case pt.From.Before(p.edge(e, pt.gap.found)):
		return beyond
	case !p.access[e].refusedSince.IsZero():
		return refused
	default:
		return Expired
	}
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
