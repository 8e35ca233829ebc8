package plugin

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// between is how long delivery is left alone after it has resumed: a backfill
// counts once a minute has passed without an event of before the opening, and
// Posts are up to ten seconds late.
const between = 75 * time.Second

// everyFault is every way of failing that a backfill can close, each with how
// it begins: a fault of connects takes an ending to show.
func everyFault() []simulator.Fault {
	return []simulator.Fault{
		{Kind: simulator.CleanEnd},
		{Kind: simulator.Reset},
		{Kind: simulator.Cut},
		{Kind: simulator.CutLine},
		{Kind: simulator.Stall},
		{Kind: simulator.OperationalDisconnect},
		{Kind: simulator.Garbage},
		{Kind: simulator.Oversized},
		{Kind: simulator.Trickle, For: 30 * time.Second},
		{Kind: simulator.DamagedGzip},
		{Kind: simulator.Refuse, For: 20 * time.Second},
		{Kind: simulator.HeaderDelay, Delay: 8 * time.Second, Count: 1},
		{Kind: simulator.Unauthorized401, Count: 1},
		{Kind: simulator.Forbidden403, Count: 1},
		{Kind: simulator.NoRules409, Count: 1},
		{Kind: simulator.RateLimited, Reset: 100 * time.Second, Count: 1},
		{Kind: simulator.RateLimited, Count: 1},
		{Kind: simulator.TooManyConnections, Count: 3},
		{Kind: simulator.InternalError500, Count: 2},
		{Kind: simulator.Unavailable503, For: 20 * time.Second},
		{Kind: simulator.AcceptThenClose, Count: 2},
		{Kind: simulator.Hang, Count: 1},
	}
}

// ofConnects reports whether a fault shows only at the next connect.
func ofConnects(f simulator.Fault) bool {
	switch f.Kind {
	case simulator.CleanEnd, simulator.Reset, simulator.Cut, simulator.CutLine, simulator.Stall, simulator.OperationalDisconnect,
		simulator.Garbage, simulator.Oversized, simulator.Trickle, simulator.DamagedGzip:
		return false
	}
	return true
}

// rate is the Posts a second of the long scenarios. The race detector makes
// each of them cost a millisecond.
func rate() float64 {
	switch {
	case os.Getenv("XCONNECT_SOAK") != "":
		return 100
	case testing.Short():
		return 2
	}
	return 10
}

func TestEveryFaultThatABackfillCanCloseLosesNothing(t *testing.T) {
	inWorld(t, simulator.Config{Rate: rate()}, func(w *world) {
		stop := w.pipeline("", "")
		time.Sleep(between)
		checked := w.began.Add(time.Second)
		for _, f := range everyFault() {
			w.fault(f)
			if ofConnects(f) {
				w.fault(simulator.Fault{Kind: simulator.Reset})
			}
			w.resumed()
			time.Sleep(between)
			until := time.Now().Add(-time.Second)
			w.missing(checked, until)
			checked = until
			if t.Failed() {
				t.Fatalf("after %s", f.Kind)
			}
		}
		stop()
		w.noRepeats()
		if lost := w.log.matching("events are lost"); len(lost) > 0 {
			t.Errorf("losses are recorded:\n%s", strings.Join(lost, "\n"))
		}
		w.connectsWithin(45)
	})
}

// resumed waits until messages come again after a fault that was just made.
func (w *world) resumed() {
	w.Helper()
	time.Sleep(2 * time.Second) // what was on its way has come
	n := w.sink.count()
	for limit := time.Now().Add(5 * time.Minute); w.sink.count() == n; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(limit) {
			w.Fatalf("nothing came for five minutes; log:\n%s", w.log.String())
		}
	}
}

// connectsWithin fails the test if any 15 minutes saw more connects than most.
func (w *world) connectsWithin(most int) {
	w.Helper()
	connects := w.connects()
	for i := range connects {
		if i >= most && connects[i].At.Sub(connects[i-most].At) < 15*time.Minute {
			w.Errorf("%d connects in 15 minutes", most+1)
			return
		}
	}
}

// Two minutes of any failure but a usage cap, whose wait is an hour, lead to
// no loss.
func TestTwoMinutesOfAFailureLoseNothing(t *testing.T) {
	for _, f := range []simulator.Fault{
		{Kind: simulator.Refuse},
		{Kind: simulator.Unauthorized401},
		{Kind: simulator.Forbidden403},
		{Kind: simulator.NoRules409},
		{Kind: simulator.RateLimited},
		{Kind: simulator.RateLimited, Reset: 2 * time.Minute},
		{Kind: simulator.TooManyConnections},
		{Kind: simulator.InternalError500},
		{Kind: simulator.Unavailable503},
		{Kind: simulator.AcceptThenClose},
		{Kind: simulator.Hang},
	} {
		f.For = 2 * time.Minute
		name := string(f.Kind)
		if f.Reset > 0 {
			name += " with reset"
		}
		t.Run(name, func(t *testing.T) {
			inWorld(t, simulator.Config{Rate: rate()}, func(w *world) {
				stop := w.pipeline("", "")
				time.Sleep(between)
				w.outage(f, simulator.Fault{Kind: simulator.Reset})
				until := time.Now().Add(-time.Second)
				stop()
				w.missing(w.began.Add(time.Second), until)
				w.noRepeats()
				if lost := w.log.matching("events are lost"); len(lost) > 0 {
					t.Errorf("losses are recorded:\n%s", strings.Join(lost, "\n"))
				}
			})
		})
	}
}

// Reading that X leaves open: a backfill may select by creation, and live
// Posts may come in between.
func TestOtherReadingsOfBackfillLoseNothing(t *testing.T) {
	for name, x := range map[string]simulator.Config{
		"by creation": {Rate: rate(), BackfillByCreation: true},
		"interleaved": {Rate: rate(), InterleaveBackfill: true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, x, func(w *world) {
				stop := w.pipeline("", "")
				time.Sleep(between)
				for range 5 {
					w.outage(simulator.Fault{Kind: simulator.Refuse, For: 40 * time.Second}, simulator.Fault{Kind: simulator.Reset})
				}
				until := time.Now().Add(-time.Second)
				stop()
				w.missing(w.began.Add(time.Second), until)
				w.noRepeats()
			})
		})
	}
}

// connects are all requests for a stream that X has seen.
func (w *world) connects() []simulator.Connect { return w.sim.Connections().Connects }
