package simulator

import (
	"math"
	"time"
)

// period is the time [from, to).
type period struct{ from, to time.Time }

// isZero reports whether nothing was asked for.
func (p period) isZero() bool { return p.from.IsZero() && p.to.IsZero() }

// recoveryReach is how far back recovery goes
// (docs.x.com: fundamentals/recovery-and-redundancy).
const recoveryReach = 24 * time.Hour

// recovery reads the period that a recovery connection is to repeat. X's pages
// have both times in every request, and a backfill in none of them.
func (p *parameters) recovery(now time.Time) period {
	asked := period{p.time("start_time"), p.time("end_time")}
	if !p.Has("start_time") && !p.Has("end_time") {
		return asked
	}
	earliest := now.Add(-recoveryReach)
	switch from, to := p.Get("start_time"), p.Get("end_time"); {
	case from == "" || to == "":
		p.refuse("start_time", "'start_time' and 'end_time' must be given together")
	case asked.from.Before(earliest):
		p.refuse("start_time", "Invalid 'start_time':'%s'. 'start_time' must be on or after %s", from, earliest.UTC().Format(time.RFC3339))
	case asked.to.After(now):
		p.refuse("end_time", "Invalid 'end_time':'%s'. 'end_time' must not be in the future", to)
	case !asked.from.Before(asked.to):
		p.refuse("end_time", "Invalid 'end_time':'%s'. 'end_time' must be after 'start_time'", to)
	case p.Get("backfill_minutes") != "" && p.Get("backfill_minutes") != "0":
		p.refuse("backfill_minutes", "Invalid use of 'backfill_minutes' in conjunction with 'start_time' or 'end_time'.")
	}
	return asked
}

// pace is how fast a recovery may repeat its period. X's documentation leaves
// it open.
type pace struct {
	speed  float64 // times as fast as it was delivered; 0: without bound
	opened int64   // Unix nanoseconds, when the repetition of from begins
	from   int64
}

// reached is up to where Posts may be sent by now, by their delivery.
func (p pace) reached(now int64) int64 {
	if p.speed == 0 {
		return math.MaxInt64
	}
	return p.from + int64(float64(now-p.opened)*p.speed)
}

// pacing makes up for what is lost in rounding, so that a wait always ends
// after the moment that it is for.
const pacing = time.Millisecond

// when is the time at which a Post of a delivery may be sent.
func (p pace) when(delivered int64) time.Time {
	return time.Unix(0, p.opened+int64(float64(delivered-p.from)/p.speed)).Add(pacing)
}
