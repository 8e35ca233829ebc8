package e2e

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

func TestSignalUnderLoadEndsCleanly(t *testing.T) {
	long(t)
	load := 10 * time.Second
	if soak() {
		load = 100 * time.Second
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			x := startX(t, simulator.Config{Rate: 1000})
			p := startProcess(t, x, "bearer_token: "+token)
			opened := x.firstOpened()
			p.delivers(0, 30*time.Second)
			time.Sleep(load)
			until := time.Now().Add(-2 * time.Second)
			took := p.stop(s)

			have := p.delivered()
			owed := have.check(t, x, opened, until)
			p.leftNothing(x)
			t.Logf("%d Posts owed up to two seconds before the signal, %d in the file; ended within %s", owed, len(have), took.Round(time.Millisecond))
		})
	}
}

// Nothing that X does may hold the end up.
func TestSignalDuringAnOutageEndsCleanly(t *testing.T) {
	for name, f := range map[string]simulator.Fault{
		"refused": {Kind: simulator.Refuse, For: time.Minute},
		"hanging": {Kind: simulator.Hang, For: time.Minute},
		"waiting": {Kind: simulator.RateLimited, Reset: time.Minute, For: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := startX(t, simulator.Config{Rate: 50})
			p := startProcess(t, x, "bearer_token: "+token)
			opened := x.firstOpened()
			p.delivers(0, 30*time.Second)
			time.Sleep(3 * time.Second)
			broken := time.Now()
			x.fails(f)
			x.fails(simulator.Fault{Kind: simulator.Reset})
			eventually(t, 10*time.Second, "the end of readiness", func() bool { return !p.ready() })
			time.Sleep(time.Second) // the next attempt is under way
			if took := p.stop(syscall.SIGTERM); took > 5*time.Second {
				t.Errorf("ended after %s", took)
			}
			p.delivered().check(t, x, opened, broken.Add(-time.Second))
			p.leftNothing(x)
		})
	}
}

// leftNothing fails the test if something of an ended process is still there.
func (p *process) leftNothing(x *fakeX) {
	p.Helper()
	if conn, err := net.DialTimeout("tcp", p.address, time.Second); err == nil {
		conn.Close()
		p.Errorf("something still listens on %s", p.address)
	}
	eventually(p.T, 5*time.Second, "the end of all connections to X", func() bool { return len(x.Connections().Open) == 0 })
}
