package ingest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// On a machine whose clock is wrong all goes by X's: what is asked for, what is
// late, and when an event was received.
func TestWrongClockOfThisMachine(t *testing.T) {
	for name, wrong := range map[string]time.Duration{
		"an hour behind": time.Hour, "an hour ahead": -time.Hour,
		"five minutes behind": 5 * time.Minute, "five minutes ahead": -5 * time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)))
				xNow := func() time.Time { return time.Now().Add(wrong) }
				var mu sync.Mutex
				var asked []string
				// A stream that ends after a minute, each time.
				x := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					asked = append(asked, r.URL.Query().Get("backfill_minutes"))
					mu.Unlock()
					w.Header().Set("Date", xNow().UTC().Format(http.TimeFormat))
					for n := range 60 {
						if wait.Sleep(r.Context(), time.Second); r.Context().Err() != nil {
							return
						}
						id := uint64(xNow().Add(-2*time.Second).UnixMilli()-xapi.SnowflakeTime(0))<<22 | uint64(n)
						fmt.Fprintf(w, "{\"data\":{\"id\":\"%d\"}}\r\n", id)
						w.(http.Flusher).Flush()
					}
				})
				network := memoryNetwork(t, x)
				in := ingestOf(t, network.Dial, nil)
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
				defer cancel()
				var worst time.Duration
				for ctx.Err() == nil {
					if in.Connect(ctx) != nil {
						continue
					}
					for b, err := in.Next(ctx); err == nil; b, err = in.Next(ctx) {
						for _, r := range b.Reads {
							worst = max(worst, r.Received.Sub(wall(xNow())).Abs())
						}
						in.Acknowledge(b)
					}
				}
				if err := in.Close(context.Background()); err != nil {
					t.Error(err)
				}
				if worst > 2*time.Second {
					t.Errorf("received at a time that is %v from X's", worst)
				}
				mu.Lock()
				defer mu.Unlock()
				if len(asked) < 3 || asked[0] != "" || asked[1] != "1" {
					t.Errorf("backfill minutes asked for: %q, want none at first, then 1", asked)
				}
			})
		})
	}
}

// memoryNetwork serves a handler over connections in memory.
func memoryNetwork(t *testing.T, h http.Handler) *simulator.MemoryListener {
	t.Helper()
	sim, err := simulator.New(simulator.Config{Rate: 1})
	if err != nil {
		t.Fatal(err)
	}
	network := sim.ListenMemory()
	server := &http.Server{Handler: h}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(network) }) // ends with Close
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return network
}

func TestAClockThatWasSetShows(t *testing.T) {
	for _, c := range []struct {
		what            string
		wall, monotonic time.Duration
		want            bool
	}{
		{"a quiet day", 24 * time.Hour, 24 * time.Hour, false},
		{"a clock that is being slewed", 10*time.Minute + time.Second, 10 * time.Minute, false},
		{"five minutes forward", 6 * time.Minute, time.Minute, true},
		{"five minutes back", -4 * time.Minute, time.Minute, true},
		{"a machine that slept", time.Hour, time.Second, true},
	} {
		if got := apart(c.wall, c.monotonic); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
	now := time.Now()
	if driftedApart(now, now.Add(24*time.Hour)) {
		t.Error("times of one process are apart")
	}
}
