package ingest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

func TestStallDetectorOfARunningProcessNeverStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewStallDetector()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go d.run(ctx)
		began := time.Now()
		time.Sleep(time.Hour)
		if d.StalledSince(began) {
			t.Error("a standstill out of nowhere")
		}
		synctest.Wait()
		if since := time.Since(d.beat); since > beatEvery {
			t.Errorf("the latest beat was %v ago", since)
		}
	})
}

func TestStallDetectorNoticesAStandstill(t *testing.T) {
	// A standstill is a beat that comes late; which of the two looks first
	// after it, the reader or the detector itself, must not matter.
	for name, look := range map[string]func(d *StallDetector, now time.Time){
		"reader first":   func(*StallDetector, time.Time) {},
		"detector first": func(d *StallDetector, now time.Time) { d.check(now); d.beat = now },
	} {
		t.Run(name, func(t *testing.T) {
			d := NewStallDetector()
			before := time.Now().Add(-10 * time.Second)
			d.beat = wall(before)
			look(d, wall(time.Now()))
			if !d.StalledSince(before) {
				t.Error("not noticed")
			}
			if d.StalledSince(time.Now().Add(time.Millisecond)) {
				t.Error("still stalled afterwards")
			}
		})
	}
}

// A machine that slept for an hour shows it on the wall clock only.
func TestStallDetectorGoesByTheWallClock(t *testing.T) {
	d := NewStallDetector()
	began := time.Now() // with a reading of the monotonic clock
	d.beat = wall(began)
	d.check(wall(began).Add(time.Hour))
	if !d.stalled.After(began) {
		t.Error("an hour of sleep is not noticed")
	}
}

// slowObserver takes a minute over each look at a partition, as a blocked log
// would.
type slowObserver struct{ unobserved }

func (*slowObserver) Accounted(int, Status) { time.Sleep(time.Minute) }

// Whatever waits elsewhere, the process has not stood still: the watchdogs go on.
func TestNobodyHoldsUpTheStallDetector(t *testing.T) {
	inBubble(t, simulator.Config{Rate: 1}, func(t *testing.T, _ *simulator.Simulator, network *simulator.MemoryListener) {
		in := ingestOf(t, network.Dial, func(cfg *Config) { cfg.Observer = &slowObserver{} })
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
		defer cancel()
		began := time.Now()
		drain(ctx, in)
		if in.cfg.Stalls.StalledSince(began) {
			t.Error("a standstill, while the accounting waits")
		}
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
