package ingest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
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
