package repair

import (
	"maps"
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// Forecast is how a long recovery will go at the speed of replay that was
// measured. One is made when the first window of it has ended (at once where
// an earlier repair has shown the speed), and again when the speed has changed
// by more than a quarter or another gap has come.
type Forecast struct {
	Speed float64       // seconds of a window a second, of one job
	Rest  time.Duration // of the gaps: what recovery is still to bring, running windows included
	Needs time.Duration // how long that takes with all jobs; what expires is not counted
	// Expires is what will grow too old before its turn, outward to the minute,
	// if nothing changes. What search takes over then is not in it.
	Expires []Loss
}

// forecast returns the forecast that is due now, if any.
func (p *Planner) forecast(now time.Time, parts []part, announced bool) *Forecast {
	pending, rest := p.pending(parts)
	if rest == 0 {
		p.replay.announced = 0 // this repair is over
	}
	news := p.replay.fresh && p.replay.changed() || announced
	p.replay.fresh = false
	if p.replay.speed == 0 || !news {
		return nil
	}
	f := p.simulate(now, pending)
	if rest < p.cfg.Window && len(f.Expires) == 0 {
		return nil
	}
	f.Rest = rest
	p.replay.announced = f.Speed
	return f
}

// pending returns the parts that are to be recovered, and how long they and
// the running windows are together.
func (p *Planner) pending(parts []part) (pending []part, rest time.Duration) {
	for _, pt := range parts {
		if pt.fate.kind == ask && pt.fate.by == recovery && !pt.Empty() {
			pending = append(pending, pt)
			rest += pt.Duration()
		}
	}
	for _, r := range p.running {
		if r.Method == Recovery {
			rest += r.Window.Duration()
		}
	}
	return pending, rest
}

// simulate lets the jobs work off the pending parts as start would, at the
// measured speed.
func (p *Planner) simulate(now time.Time, pending []part) *Forecast {
	slots := p.slots(now)
	late := map[int]*coverage.Set{}
	for {
		slot := &slots[first(slots, func(t time.Time) time.Time { return t })]
		pending = p.expire(*slot, pending, late)
		if len(pending) == 0 {
			break
		}
		pt := &pending[first(pending, func(pt part) time.Time { return pt.From })]
		window := min(pt.Duration(), p.cfg.Window)
		*slot = slot.Add(p.replay.takes(window))
		pt.From = pt.From.Add(window)
	}
	return &Forecast{
		Speed:   p.replay.speed,
		Needs:   slices.MaxFunc(slots, time.Time.Compare).Sub(now),
		Expires: p.losses(late),
	}
}

// expire moves what is too old at that time from pending to late, and returns
// the parts that are left.
func (p *Planner) expire(at time.Time, pending []part, late map[int]*coverage.Set) []part {
	edge := p.edge(recovery, at)
	for n := range pending {
		pt := &pending[n]
		if gone := pt.Intersect(coverage.Interval{From: pt.From, To: edge}); !gone.Empty() {
			if late[pt.partition] == nil {
				late[pt.partition] = new(coverage.Set)
			}
			late[pt.partition].Add(outward(gone))
			pt.From = gone.To
		}
	}
	return slices.DeleteFunc(pending, func(pt part) bool { return pt.Empty() })
}

// slots returns when each recovery job is free.
func (p *Planner) slots(now time.Time) []time.Time {
	var slots []time.Time
	for _, r := range p.running {
		if r.Method != Recovery {
			continue
		}
		free := r.Since.Add(p.replay.takes(r.Window.Duration()))
		if free.Before(now) {
			free = now
		}
		slots = append(slots, free)
	}
	for len(slots) < p.cfg.MaxJobs {
		slots = append(slots, now)
	}
	return slots
}

// first returns the index of the element whose time is the earliest.
func first[E any](all []E, at func(E) time.Time) int {
	n := 0
	for i := range all {
		if at(all[i]).Before(at(all[n])) {
			n = i
		}
	}
	return n
}

// losses tells what of each partition expires, unless search takes it over.
func (p *Planner) losses(late map[int]*coverage.Set) []Loss {
	reason := Expired
	switch {
	case p.reach(recovery) < recoveryReach:
		reason = MaxAge
	case p.allowed(recent):
		return nil
	}
	var losses []Loss
	for _, partition := range slices.Sorted(maps.Keys(late)) {
		for _, i := range late[partition].Intervals() {
			losses = append(losses, Loss{partition, i, reason})
		}
	}
	return losses
}

// outward rounds i outward to whole minutes.
func outward(i coverage.Interval) coverage.Interval {
	return coverage.Interval{
		From: i.From.Truncate(time.Minute),
		To:   i.To.Add(time.Minute - 1).Truncate(time.Minute),
	}
}
