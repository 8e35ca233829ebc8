package ingest

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/simulator"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

func noJitter() float64 { return 0 }

// thenAlways is a list of waits of which the last repeats for ever.
func thenAlways(waits ...time.Duration) []time.Duration { return waits }

// linearly is X's schedule for network errors.
func linearly() []time.Duration {
	var all []time.Duration
	for d := 250 * time.Millisecond; d <= 16*time.Second; d += 250 * time.Millisecond {
		all = append(all, d)
	}
	return all
}

// unobserved is an Observer that keeps the waits before reconnects.
type unobserved struct {
	mu    sync.Mutex
	waits []time.Duration
}

func (*unobserved) Connected(int, int)           {}
func (*unobserved) Arrived(int, delivery.Counts) {}
func (*unobserved) Accounted(int, Status)        {}
func (*unobserved) Buffered(int64, int64)        {}
func (*unobserved) Rejected(int)                 {}

func (*unobserved) Waited(int, time.Duration)           {}
func (*unobserved) Repaired(int, string, time.Duration) {}
func (*unobserved) Left(int)                            {}
func (*unobserved) Repairing(map[string]int)            {}

func (u *unobserved) Reconnecting(_ int, _ string, wait time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waits = append(u.waits, wait)
}

// ingestOf makes an Ingest that reads the filtered stream of a simulated X.
func ingestOf(t *testing.T, dial func(context.Context, string, string) (net.Conn, error), change func(*Config)) *Ingest {
	t.Helper()
	stream, _ := xapi.Lookup("filtered")
	cfg := Config{
		Stream: stream, Connections: 1, ConnectTimeout: 10 * time.Second, MaxLineBytes: 4 << 20,
		QueueBytes: 64 << 20, InFlightBytes: 256 << 20, MaxBatch: 1000,
		Overlap: stream.Overlap, Repair: repair.Config{Methods: []repair.Method{repair.Backfill}}, DedupeCapacity: 100_000,
		Stalls: NewStallDetector(), Observer: &unobserved{}, Logger: slog.New(slog.DiscardHandler), Jitter: noJitter,
	}
	client, err := xapi.NewClient(xapi.Config{
		BaseURL: "http://127.0.0.1", Credentials: xapi.BearerToken("simulator"),
		ConnectTimeout: cfg.ConnectTimeout, Dial: dial, Stalls: cfg.Stalls,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Clients = []*xapi.Client{client}
	if change != nil {
		change(&cfg)
	}
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// drain acknowledges everything until ctx ends, as Benthos would read.
func drain(ctx context.Context, in *Ingest) {
	for ctx.Err() == nil {
		if in.Connect(ctx) != nil {
			continue
		}
		for {
			b, err := in.Next(ctx)
			if err != nil {
				break
			}
			in.Acknowledge(b)
		}
	}
}

// inBubble runs test with a simulated X in simulated time.
func inBubble(t *testing.T, x simulator.Config, test func(t *testing.T, sim *simulator.Simulator, network *simulator.MemoryListener)) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble begins in 2000, before there were Posts.
		time.Sleep(time.Until(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)))
		sim, err := simulator.New(x)
		if err != nil {
			t.Fatal(err)
		}
		network := sim.ListenMemory()
		ctx, stop := context.WithCancel(context.Background())
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := sim.Serve(ctx, network); err != nil {
				t.Error(err)
			}
		})
		defer serving.Wait()
		defer stop()
		synctest.Wait()
		test(t, sim, network)
	})
}

// A day of one failure, over the wire: the waits are the schedule's and no
// others, and the budget never has to hold a connect back.
func TestADayOfFailuresOverTheWire(t *testing.T) {
	doubled := thenAlways(5*time.Second, 10*time.Second, 20*time.Second, 40*time.Second, 80*time.Second, 160*time.Second, 320*time.Second)
	for name, c := range map[string]struct {
		fault simulator.Fault
		want  []time.Duration
	}{
		"refused connections":     {simulator.Fault{Kind: simulator.Refuse}, linearly()},
		"503":                     {simulator.Fault{Kind: simulator.Unavailable503}, doubled},
		"429 without reset":       {simulator.Fault{Kind: simulator.RateLimited}, thenAlways(time.Minute, 2*time.Minute, 4*time.Minute, 8*time.Minute, 15*time.Minute)},
		"429 with reset":          {simulator.Fault{Kind: simulator.RateLimited, Reset: 7 * time.Minute}, thenAlways(7 * time.Minute)},
		"a taken slot":            {simulator.Fault{Kind: simulator.TooManyConnections}, thenAlways(5*time.Second, 10*time.Second, 20*time.Second, 30*time.Second)},
		"a usage cap":             {simulator.Fault{Kind: simulator.UsageCapped}, thenAlways(time.Hour)},
		"no rules":                {simulator.Fault{Kind: simulator.NoRules409}, thenAlways(time.Minute)},
		"200, then close at once": {simulator.Fault{Kind: simulator.AcceptThenClose}, doubled},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, simulator.Config{Rate: 1}, func(t *testing.T, sim *simulator.Simulator, network *simulator.MemoryListener) {
				c.fault.For = 25 * time.Hour
				if _, err := sim.Break(c.fault); err != nil {
					t.Fatal(err)
				}
				in := ingestOf(t, network.Dial, nil)
				ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
				defer cancel()
				drain(ctx, in)
				if err := in.Close(context.Background()); err != nil {
					t.Error(err)
				}
				got := in.observer.(*unobserved).waits
				want := slices.Clone(c.want)
				for len(want) < len(got) {
					want = append(want, want[len(want)-1])
				}
				if len(got) < 20 || !slices.Equal(got, want[:len(got)]) {
					t.Errorf("%d waits, which begin with\n%v, want\n%v", len(got), got[:min(len(got), 20)], want[:min(len(want), 20)])
				}
			})
		})
	}
}
