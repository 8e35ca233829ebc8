package e2e

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// token is the account's; it must never show up in anything that is printed.
const token = "t0ken-of-the-e2e-account"

// fakeX is a simulated X that listens on a loopback port.
type fakeX struct {
	*testing.T
	*simulator.Simulator
	url    string
	stream string // that is read
}

// startX serves a simulated X until the test ends. The listener's wrapping, if
// any, shapes its sockets.
func startX(t *testing.T, config simulator.Config, wrap ...func(net.Listener) net.Listener) *fakeX {
	t.Helper()
	config.Account.Token = token
	sim, err := simulator.New(config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	for _, w := range wrap {
		l = w(l)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := sim.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		serving.Wait()
	})
	return &fakeX{T: t, Simulator: sim, url: url, stream: "filtered"}
}

// fails breaks X now.
func (x *fakeX) fails(f simulator.Fault) {
	x.Helper()
	if _, err := x.Break(f); err != nil {
		x.Fatal(err)
	}
}

// firstOpened waits for the first connection, and returns when X opened it:
// every Post that is delivered from then on is owed.
func (x *fakeX) firstOpened() time.Time {
	x.Helper()
	var opened time.Time
	eventually(x.T, 30*time.Second, "the first connection", func() bool {
		open := x.Connections().Open
		if len(open) > 0 {
			opened = open[0].Opened
		}
		return len(open) > 0
	})
	return opened
}

// owed are the Posts that X delivers in [from, to).
func (x *fakeX) owed(from, to time.Time) map[uint64]bool {
	x.Helper()
	ids, err := x.Expected(x.stream, 0, from, to)
	if err != nil {
		x.Fatal(err)
	}
	owed := map[uint64]bool{}
	for id := range ids {
		owed[id] = true
	}
	return owed
}

// mostConnects is the largest number of connects within any period of 15
// minutes.
func (x *fakeX) mostConnects() int {
	connects := x.Connections().Connects
	most, oldest := 0, 0
	for newest := range connects {
		for connects[newest].At.Sub(connects[oldest].At) >= 15*time.Minute {
			oldest++
		}
		most = max(most, newest-oldest+1)
	}
	return most
}
