package ingest

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPulseOfARunningProcessNeverStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPulse()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var beats atomic.Int64
		go p.run(ctx, func() { beats.Add(1) })
		began := time.Now()
		time.Sleep(time.Hour)
		if p.StalledSince(began) {
			t.Error("a standstill out of nowhere")
		}
		if n := beats.Load(); n < 3600 {
			t.Errorf("%d beats in an hour", n)
		}
	})
}

func TestPulseNoticesAStandstill(t *testing.T) {
	// A standstill is a beat that comes late; which of the two looks first
	// after it, the reader or the pulse itself, must not matter.
	for name, look := range map[string]func(p *Pulse, now time.Time){
		"reader first": func(*Pulse, time.Time) {},
		"pulse first":  func(p *Pulse, now time.Time) { p.check(now); p.beat = now },
	} {
		t.Run(name, func(t *testing.T) {
			p := NewPulse()
			before := time.Now().Add(-10 * time.Second)
			p.beat = wall(before)
			look(p, wall(time.Now()))
			if !p.StalledSince(before) {
				t.Error("not noticed")
			}
			if p.StalledSince(time.Now().Add(time.Millisecond)) {
				t.Error("still stalled afterwards")
			}
		})
	}
}

// A machine that slept for an hour shows it on the wall clock only.
func TestPulseGoesByTheWallClock(t *testing.T) {
	p := NewPulse()
	began := time.Now() // with a reading of the monotonic clock
	p.beat = wall(began)
	p.check(wall(began).Add(time.Hour))
	if !p.stalled.After(began) {
		t.Error("an hour of sleep is not noticed")
	}
}
