package e2e

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// A process that stands still, as on a paused virtual machine, is cut off by X.
// What it then finds in its sockets is old, and proves nothing about the time
// after it; X's notice of the end may never have come.
func TestProcessThatStoodStillMissesNothing(t *testing.T) {
	long(t)
	// Longer than the watchdog's patience in any case: its timer fires at once.
	standstill := 30 * time.Second
	overflows := []simulator.Overflow{simulator.OverflowReset, simulator.OverflowSilent}
	if soak() {
		standstill = time.Minute
		overflows = append(overflows, simulator.OverflowEnd)
	}
	for _, overflow := range overflows {
		t.Run(string(overflow), func(t *testing.T) {
			t.Parallel()
			x := startX(t, simulator.Config{Rate: 200, SendBuffer: 256 << 10, Overflow: overflow}, smallSockets)
			p := startProcess(t, x, "bearer_token: "+token)
			opened := x.firstOpened()
			p.delivers(0, 30*time.Second)
			time.Sleep(5 * time.Second)

			p.signal(syscall.SIGSTOP)
			time.Sleep(standstill)
			if x.Connections().Ended["overflow"] == 0 && overflow != simulator.OverflowSilent {
				t.Fatal("X has not cut the connection: the test proves nothing")
			}
			connects := x.Connections().Total
			p.signal(syscall.SIGCONT)
			eventually(t, time.Minute, "another connection", func() bool { return x.Connections().Total > connects })
			time.Sleep(between)

			lost, open := p.metric("x_stream_gap_lost_seconds"), p.metric("x_stream_gap_open_seconds")
			if lost != 0 || open != 0 {
				t.Errorf("%v seconds of gaps are lost, %v are open; want none", lost, open)
			}
			until := time.Now()
			time.Sleep(5 * time.Second)
			p.stop(syscall.SIGTERM)
			have := p.delivered()
			owed := have.check(t, x, opened, until)
			t.Logf("%d Posts owed, %d in the file; %d connects; connections ended: %v", owed, len(have), x.Connections().Total, x.Connections().Ended)
		})
	}
}

// smallSockets makes a listener whose connections hold little on their way, so
// that X soon notices a client that does not read.
func smallSockets(l net.Listener) net.Listener { return narrow{l} }

type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		err = tcp.SetWriteBuffer(64 << 10)
	}
	return conn, err
}
