package ingest

import (
	"context"
	"sync"
	"time"
)

const (
	beatEvery = time.Second
	// beatLate is how late a beat must be for the process to have stood
	// still. A busy machine delays a goroutine by tens of milliseconds; a
	// process that was stopped, or a machine that was paused, by seconds.
	beatLate = 2 * time.Second
)

// StallDetector notices that the whole process stood still, as after SIGSTOP or on a
// machine that slept. What arrived meanwhile proves nothing of the moment at
// which it is read, for X may have cut the connection long before.
//
// It goes by the wall clock: the monotonic one does not count a machine's
// sleep.
type StallDetector struct {
	mu      sync.Mutex
	beat    time.Time
	stalled time.Time // end of the latest standstill
}

// NewStallDetector makes a detector that beats once it is run.
func NewStallDetector() *StallDetector { return &StallDetector{} }

// StalledSince reports whether the process stood still at any time since t.
func (d *StallDetector) StalledSince(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.check(wall(time.Now()))
	return !d.stalled.Before(t)
}

// check records a standstill that ended just now. The caller of StalledSince
// may run before the late beat itself does, so both check.
func (d *StallDetector) check(now time.Time) {
	if !d.beat.IsZero() && now.Sub(d.beat) > beatEvery+beatLate {
		d.stalled, d.beat = now, now
	}
}

// run beats until ctx ends. It does nothing else: whatever else waited here would
// make the process look as if it stood still.
func (d *StallDetector) run(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		now := wall(time.Now())
		d.mu.Lock()
		d.check(now)
		d.beat = now
		d.mu.Unlock()
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
