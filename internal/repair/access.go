package repair

import (
	"slices"
	"time"
)

const (
	// leftOutFor is how long an endpoint that X refused is left out.
	leftOutFor = time.Hour
	// archivePatience is how long X may refuse the archive without a break
	// before what only the archive reaches is lost: it would wait for ever.
	archivePatience = 24 * time.Hour

	retryFirst = time.Second // after a broken job; doubling
	retryMax   = time.Minute
)

// access is what X lets us do with an endpoint.
type access struct {
	refusedSince time.Time // first refusal since the last success; zero: none
	refusedUntil time.Time // left out before
	wait         time.Duration
	notBefore    time.Time // broken jobs are not followed by another before
}

func (a *access) refused(now time.Time) {
	if a.refusedSince.IsZero() {
		a.refusedSince = now
	}
	a.refusedUntil = now.Add(leftOutFor)
}

func (a *access) broke(now time.Time) {
	a.wait = min(max(2*a.wait, retryFirst), retryMax)
	a.notBefore = now.Add(a.wait)
}

// allowed reports whether the user allows e and the stream offers it.
func (p *Planner) allowed(e endpoint) bool {
	return slices.Contains(p.cfg.Methods, e.method()) && (e != archive || p.cfg.SearchAll)
}

func (p *Planner) leftOut(e endpoint, now time.Time) bool {
	return now.Before(p.access[e].refusedUntil)
}

// usable reports whether e is allowed and not left out.
func (p *Planner) usable(e endpoint, now time.Time) bool {
	return p.allowed(e) && !p.leftOut(e, now)
}

// LeftOut is an endpoint that X refused for lack of access.
type LeftOut struct {
	Method    Method
	SearchAll bool // of search: the full archive
	Until     time.Time
}

// LeftOut returns what is left out at now.
func (p *Planner) LeftOut(now time.Time) []LeftOut {
	var out []LeftOut
	for e := range endpoints {
		if p.leftOut(e, now) {
			out = append(out, LeftOut{e.method(), e == archive, p.access[e].refusedUntil})
		}
	}
	return out
}
