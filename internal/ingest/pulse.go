package ingest

import (
	"context"
	"sync"
	"time"
)

const (
	pulsePeriod = time.Second
	// pulseLate is how late a beat must be for the process to have stood
	// still. A busy machine delays a goroutine by tens of milliseconds; a
	// process that was stopped, or a machine that was paused, by seconds.
	pulseLate = 2 * time.Second
)

// Pulse notices that the whole process stood still, as after SIGSTOP or on a
// machine that slept. What arrived meanwhile proves nothing of the moment at
// which it is read, for X may have cut the connection long before.
//
// It goes by the wall clock: the monotonic one does not count a machine's
// sleep.
type Pulse struct {
	mu      sync.Mutex
	beat    time.Time
	stalled time.Time // end of the latest standstill
}

// NewPulse makes a pulse that beats once it is run.
func NewPulse() *Pulse { return &Pulse{} }

// StalledSince reports whether the process stood still at any time since t.
func (p *Pulse) StalledSince(t time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.check(wall(time.Now()))
	return !p.stalled.Before(t)
}

// check records a standstill that ended just now. The caller of StalledSince
// may run before the late beat itself does, so both check.
func (p *Pulse) check(now time.Time) {
	if !p.beat.IsZero() && now.Sub(p.beat) > pulsePeriod+pulseLate {
		p.stalled, p.beat = now, now
	}
}

// run beats until ctx ends, and calls each at every beat.
func (p *Pulse) run(ctx context.Context, each func()) {
	tick := time.NewTicker(pulsePeriod)
	defer tick.Stop()
	for {
		now := wall(time.Now())
		p.mu.Lock()
		p.check(now)
		p.beat = now
		p.mu.Unlock()
		each()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// wall is t without its reading of the monotonic clock, so that it is compared
// and subtracted by the wall clock. All times of coverage are: in a machine
// that sleeps, X's clock goes on and the monotonic one does not.
func wall(t time.Time) time.Time { return t.Round(0) }

// clockTolerance is how far the wall clock may drift from the monotonic one
// while a connection lives. Beyond it the times of its proofs mean nothing: the
// clock was set, or the machine slept.
const clockTolerance = 2 * time.Second

// driftedApart reports whether the wall clock went otherwise than the monotonic
// one between two moments.
func driftedApart(from, to time.Time) bool {
	return apart(wall(to).Sub(wall(from)), to.Sub(from))
}

func apart(byWall, byMonotonic time.Duration) bool {
	return (byWall - byMonotonic).Abs() > clockTolerance
}
