package ingest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// reasons is an Observer that keeps why connections ended.
type reasons struct {
	unobserved
	mu  sync.Mutex
	all []string
}

func (r *reasons) Reconnecting(_ int, reason string, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, reason)
}

// A connection that is to be opened again may end by itself at that moment. The
// end of the next one has a reason of its own.
func TestAReopeningThatComesTooLateSaysNothingOfTheNextEnd(t *testing.T) {
	inBubble(t, simulator.Config{Rate: 1}, func(t *testing.T, sim *simulator.Simulator, network *simulator.MemoryListener) {
		seen := &reasons{}
		in := ingestOf(t, network.Dial, func(cfg *Config) { cfg.Observer = seen })
		ctx, cancel := context.WithCancel(context.Background())
		if err := in.Connect(ctx); err != nil {
			t.Fatal(err)
		}
		var draining sync.WaitGroup
		draining.Go(func() { drain(ctx, in) })
		time.Sleep(time.Minute)
		first := in.connections[0].response.Load()
		reset := func() {
			if _, err := sim.Break(simulator.Fault{Kind: simulator.Reset}); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
		}
		reset()
		first.reopen()
		reset()
		in.connections[0].reopen(false)
		time.Sleep(time.Minute)
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		draining.Wait()
		if want := []string{"reset", "reset", "reopened"}; !slices.Equal(seen.all[:min(len(seen.all), 3)], want) {
			t.Errorf("reasons %v, want %v", seen.all, want)
		}
	})
}
