package simulator

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// gate is a listener that turns connections away while dials are refused. TCP
// has no way to refuse a dial but to stop listening, so for a refusal that is
// bound by time the port is closed and opened again; one that is bound by a
// count accepts and resets. A [MemoryListener] refuses by itself.
type gate struct {
	ctx    context.Context
	faults *faults
	mu     sync.Mutex
	closed bool
	net    net.Listener // the present one
}

func newGate(ctx context.Context, l net.Listener, f *faults) net.Listener {
	if m, ok := l.(*MemoryListener); ok {
		return m
	}
	return &gate{ctx: ctx, faults: f, net: l}
}

// refusalCheck is how soon a refusal closes the port.
const refusalCheck = 50 * time.Millisecond

func (g *gate) Accept() (net.Conn, error) {
	for {
		l := g.listener()
		tcp, isTCP := l.(*net.TCPListener)
		if isTCP {
			if until, refused := g.faults.refusedUntil(); refused {
				if err := g.reopenAt(until); err != nil {
					return nil, err
				}
				continue
			}
			tcp.SetDeadline(time.Now().Add(refusalCheck))
		}
		conn, err := l.Accept()
		if isTCP && errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err == nil && g.faults.refused() {
			reset(conn)
			continue
		}
		return conn, err
	}
}

func (g *gate) listener() net.Listener {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.net
}

// Close implements net.Listener.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	return g.net.Close()
}

// Addr implements net.Listener.
func (g *gate) Addr() net.Addr { return g.listener().Addr() }

// reopenAt closes the port and listens on it again at a time, or when another
// process that took it meanwhile lets it go.
func (g *gate) reopenAt(until time.Time) error {
	addr := g.Addr()
	g.listener().Close()
	wait := time.Until(until)
	for {
		select {
		case <-g.ctx.Done():
			return net.ErrClosed
		case <-time.After(wait):
		}
		var config net.ListenConfig
		l, err := config.Listen(g.ctx, addr.Network(), addr.String())
		if err == nil {
			return g.replace(l)
		}
		wait = refusalCheck
	}
}

func (g *gate) replace(l net.Listener) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		l.Close()
		return net.ErrClosed
	}
	g.net = l
	return nil
}

// reset ends a connection as a broken network does: the other side reads
// ECONNRESET, and what was on its way is gone.
func reset(conn net.Conn) {
	switch c := conn.(type) {
	case *net.TCPConn:
		c.SetLinger(0) // an error means that it is closed already
	case *memoryConn:
		c.reset()
	}
	conn.Close()
}
