package e2e

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// between is how long delivery is left alone after it has resumed: a backfill
// counts once a minute has passed without an event of before the opening, and
// Posts are up to ten seconds late.
const between = 75 * time.Second

// outages are the ways of failing that a backfill can close, each at least
// once. A fault of connects comes before the one that ends the connection, or
// it would not show.
func outages() [][]simulator.Fault {
	return [][]simulator.Fault{
		{{Kind: simulator.CleanEnd}},
		{{Kind: simulator.Refuse, For: 20 * time.Second}, {Kind: simulator.Reset}},
		{{Kind: simulator.InternalError500, Count: 2}, {Kind: simulator.Cut}},
		{{Kind: simulator.HeaderDelay, Delay: 8 * time.Second, Count: 1}, {Kind: simulator.CutLine}},
		{{Kind: simulator.Stall}},
		{{Kind: simulator.Unauthorized401, Count: 1}, {Kind: simulator.OperationalDisconnect}},
		{{Kind: simulator.Forbidden403, Count: 1}, {Kind: simulator.DamagedGzip}},
		{{Kind: simulator.Garbage}, {Kind: simulator.Hang, Count: 1}, {Kind: simulator.Cut}},
		{{Kind: simulator.Oversized}, {Kind: simulator.AcceptThenClose, Count: 2}, {Kind: simulator.CleanEnd}},
		{{Kind: simulator.Trickle, For: 30 * time.Second}},
		{{Kind: simulator.RateLimited, Reset: 100 * time.Second, Count: 1}, {Kind: simulator.Reset}},
		{{Kind: simulator.RateLimited, Count: 1}, {Kind: simulator.CutLine}},
		{{Kind: simulator.TooManyConnections, Count: 3}, {Kind: simulator.Reset}},
		{{Kind: simulator.Unavailable503, For: 20 * time.Second}, {Kind: simulator.OperationalDisconnect}},
		{{Kind: simulator.NoRules409, Count: 1}, {Kind: simulator.Reset}},
	}
}

// sized is how long the scenario lasts at least, and the outages in it: all in
// the full one, two that change from day to day in the other.
func sized(t *testing.T) (time.Duration, [][]simulator.Fault) {
	all := outages()
	if soak() {
		return 25 * time.Minute, all
	}
	n := time.Now().UTC().YearDay() * 2 % len(all)
	today := slices.Concat(all[n:], all[:n])[:2]
	for _, outage := range today {
		t.Logf("today: %s", names(outage))
	}
	return 150 * time.Second, today
}

func names(faults []simulator.Fault) string {
	var kinds []string
	for _, f := range faults {
		kinds = append(kinds, string(f.Kind))
	}
	return strings.Join(kinds, ", ")
}

func TestFaultsThatABackfillCanCloseLoseNothing(t *testing.T) {
	long(t)
	atLeast, outages := sized(t)
	// What waits while a connection stalls until the watchdog leaves it fits
	// into the buffer: that X cuts a slow client is another test's subject.
	x := startX(t, simulator.Config{Rate: 500, MaxLateness: 10 * time.Second, SendBuffer: 64 << 20})
	p := startProcess(t, x, "bearer_token: "+token)
	opened := x.firstOpened()
	p.delivers(0, 30*time.Second)
	lag := watch(p, "x_stream_lag_seconds")

	for i := 0; i < len(outages) || time.Since(opened) < atLeast; i++ {
		outage := outages[i%len(outages)]
		for _, f := range outage {
			x.fails(f)
		}
		time.Sleep(2 * time.Second) // what was on its way has come
		p.delivers(p.written(), 5*time.Minute)
		t.Logf("%5.0f s: delivery goes on after %s", time.Since(opened).Seconds(), names(outage))
		time.Sleep(between)
	}
	lost, open := p.metric("x_stream_gap_lost_seconds"), p.metric("x_stream_gap_open_seconds")
	events, duplicates := p.metric("x_stream_events"), p.metric("x_stream_duplicates")
	longest := lag()
	peak, _ := p.memory()
	until := time.Now()
	time.Sleep(5 * time.Second)
	p.stop(syscall.SIGTERM)

	have := p.delivered()
	owed := have.check(t, x, opened, until)
	if lost != 0 || open != 0 {
		t.Errorf("%v seconds of gaps are lost, %v are open; want none", lost, open)
	}
	if int(events) < owed {
		t.Errorf("%.0f events are counted, fewer than were owed: the metrics prove nothing", events)
	}
	for _, f := range x.Faults() {
		if f.Hits == 0 {
			t.Errorf("fault %s hit nothing: %s", f.Fault.Kind, f.Note)
		}
	}
	if n := x.mostConnects(); n > 45 {
		t.Errorf("%d connects in 15 minutes", n)
	}
	usage := p.cmd.ProcessState
	t.Logf("%d Posts owed in %.0f s, %d in the file, %d repeats; %.0f duplicates dropped; %d connects, most in 15 minutes %d; longest lag %.1f s; peak memory %d MB; CPU %.0f s",
		owed, until.Sub(opened).Seconds(), len(have), have.repeats(), duplicates, x.Connections().Total, x.mostConnects(),
		longest, peak, (usage.UserTime() + usage.SystemTime()).Seconds())
}

// watch looks at a gauge each second until the function that it returns is
// called, which tells the largest value seen.
func watch(p *process, gauge string) (largest func() float64) {
	ctx, stop := context.WithCancel(p.Context())
	var watching sync.WaitGroup
	most := 0.0
	watching.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if v, err := p.sample(gauge); err == nil {
					most = max(most, v)
				}
			}
		}
	})
	largest = sync.OnceValue(func() float64 {
		stop()
		watching.Wait()
		return most
	})
	p.Cleanup(func() { largest() })
	return largest
}
