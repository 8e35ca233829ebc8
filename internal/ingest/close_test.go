package ingest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// slowAccounts is an Observer that takes a while over each account, and keeps
// the longest gap that one showed.
type slowAccounts struct {
	unobserved
	takes time.Duration

	mu      sync.Mutex
	began   time.Time // when the latest was told
	longest time.Duration
}

func (s *slowAccounts) Accounted(_ int, st Status) {
	s.mu.Lock()
	s.began = time.Now()
	s.longest = max(s.longest, st.Open)
	s.mu.Unlock()
	time.Sleep(s.takes)
}

// What Close ends is no gap of the stream. An alert on the gauge would ring at
// each stop.
func TestCloseOpensNoGapInTheAccounts(t *testing.T) {
	inBubble(t, simulator.Config{Rate: 20}, func(t *testing.T, _ *simulator.Simulator, network *simulator.MemoryListener) {
		seen := &slowAccounts{takes: 100 * time.Millisecond}
		in := ingestOf(t, network.Dial, func(cfg *Config) {
			cfg.Stream, _ = xapi.Lookup("sample10") // of two partitions
			cfg.Observer = seen
		})
		ctx, cancel := context.WithCancel(context.Background())
		var draining sync.WaitGroup
		draining.Go(func() { drain(ctx, in) })
		// The account of the first partition is made, that of the second is not.
		time.Sleep(time.Minute + seen.takes/2)
		closed := time.Now()
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		draining.Wait()
		if seen.began.After(closed) {
			t.Error("an account was told after Close")
		}
		if closed.Sub(seen.began) > seen.takes {
			t.Errorf("the latest account began %v before Close: the test proves nothing", closed.Sub(seen.began))
		}
		if seen.longest > 0 {
			t.Errorf("a gap of %v was open", seen.longest)
		}
	})
}
