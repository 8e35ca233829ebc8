package simulator

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// MemoryListener is a network of one host in memory, for testing/synctest: its
// connections have bounded buffers, deadlines and half-close, and can be reset.
type MemoryListener struct {
	buffer  int
	refused func() bool
	backlog chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// memoryBacklog is how many dials may wait to be accepted before dialling blocks.
const memoryBacklog = 128

// ListenMemory returns a listener for [Simulator.Serve]. Its dials meet the
// faults of kind refuse.
func (s *Simulator) ListenMemory() *MemoryListener {
	return &MemoryListener{
		buffer:  s.config.SocketBuffer,
		refused: s.faults.refused,
		backlog: make(chan net.Conn, memoryBacklog),
		closed:  make(chan struct{}),
	}
}

// Dial connects to the listener, whatever the address. A refused dial, like
// one to a closed listener, fails with ECONNREFUSED.
func (l *MemoryListener) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: memoryAddr(addr), Err: err}
	}
	refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	select {
	case <-l.closed:
		return fail(refused)
	default:
	}
	if l.refused() {
		return fail(refused)
	}
	client, server := memoryPipe(l.buffer, memoryAddr(addr))
	select {
	case l.backlog <- server:
		return client, nil
	case <-l.closed:
		return fail(refused)
	case <-ctx.Done():
		return fail(ctx.Err())
	}
}

// Accept implements net.Listener.
func (l *MemoryListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
	default:
		select {
		case conn := <-l.backlog:
			return conn, nil
		case <-l.closed:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: memoryNetwork, Addr: l.Addr(), Err: net.ErrClosed}
}

// Close implements net.Listener. Dials that were not accepted are reset.
func (l *MemoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	for {
		select {
		case conn := <-l.backlog:
			reset(conn)
		default:
			return nil
		}
	}
}

// Addr implements net.Listener.
func (l *MemoryListener) Addr() net.Addr { return memoryAddr("simulator") }

const memoryNetwork = "memory"

type memoryAddr string

func (memoryAddr) Network() string  { return memoryNetwork }
func (a memoryAddr) String() string { return string(a) }

// memoryConn is one end of a connection in memory.
type memoryConn struct {
	in, out       *pipe
	local, remote net.Addr
}

func memoryPipe(buffer int, host net.Addr) (client, server *memoryConn) {
	up, down := newPipe(buffer), newPipe(buffer)
	client = &memoryConn{in: down, out: up, local: memoryAddr("client"), remote: host}
	server = &memoryConn{in: up, out: down, local: host, remote: memoryAddr("client")}
	return client, server
}

func (c *memoryConn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.wrap("read", err)
}

func (c *memoryConn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.wrap("write", err)
}

func (c *memoryConn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: memoryNetwork, Source: c.local, Addr: c.remote, Err: err}
}

// Close ends both directions. The peer reads what is on its way, then EOF; its
// writes fail.
func (c *memoryConn) Close() error {
	c.out.end(net.ErrClosed, io.EOF, false)
	c.in.end(syscall.EPIPE, net.ErrClosed, true)
	return nil
}

// CloseWrite ends one direction: the peer reads what is on its way, then EOF.
func (c *memoryConn) CloseWrite() error {
	c.out.end(net.ErrClosed, io.EOF, false)
	return nil
}

func (c *memoryConn) reset() {
	c.out.end(syscall.ECONNRESET, syscall.ECONNRESET, true)
	c.in.end(syscall.ECONNRESET, syscall.ECONNRESET, true)
}

func (c *memoryConn) LocalAddr() net.Addr  { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr { return c.remote }

func (c *memoryConn) SetDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.reading, t)
	c.out.setDeadline(&c.out.writing, t)
	return nil
}

func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.reading, t)
	return nil
}

func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writing, t)
	return nil
}
