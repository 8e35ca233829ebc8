package xapi

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// StallDetector knows when this process stood still: stopped by a signal, or paused
// with its machine.
type StallDetector interface {
	// StalledSince reports whether the process stood still at any time since t.
	StalledSince(t time.Time) bool
}

// blocked is the time from which a read of the socket counts as one that
// waited, so that the socket was empty when it began.
const blocked = 5 * time.Millisecond

// wire is the network side of one Connection: the sockets that its transport
// dials, of which one serves the response. It sees every read of a socket,
// below TLS and HTTP, and so it is the watchdog over arriving bytes and the
// witness of when they arrived.
type wire struct {
	timeout time.Duration // 0: no watchdog
	stalls  StallDetector // nil: the process never stands still

	mu      sync.Mutex
	sockets []net.Conn
	closed  bool
	armed   bool
	expired bool      // the watchdog fired
	proof   time.Time // what the latest bytes arrived at, or after
	drained time.Time // when the socket was last known to be empty
	passed  time.Time // the proof that onProof was called with last
	onProof func(time.Time)
}

// dial dials a socket of the wire. The transport detaches the context of a
// dial from the request; life ends it with the connection nevertheless.
func (w *wire) dial(life context.Context, dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(life, func() { cancel(context.Cause(life)) })()

		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.closed {
			conn.Close()
			return nil, net.ErrClosed
		}
		w.sockets = append(w.sockets, conn)
		return &socket{Conn: conn, wire: w}, nil
	}
}

// arm starts the watchdog, once the response headers are there.
func (w *wire) arm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = w.timeout > 0
}

// close closes all sockets, now and later.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, conn := range w.sockets {
		conn.Close()
	}
	w.sockets = nil
}

// hasExpired reports whether the watchdog fired.
func (w *wire) hasExpired() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.expired
}

// listen makes f learn of proofs, see Connection.OnProof.
func (w *wire) listen(f func(time.Time)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onProof = f
}

// takenUp tells of the proof of all bytes read so far: the layers above ask
// for more only when they have passed on what they had.
func (w *wire) takenUp() {
	w.mu.Lock()
	f, proof := w.onProof, w.proof
	news := f != nil && proof.After(w.passed)
	if news {
		w.passed = proof
	}
	w.mu.Unlock()
	if news {
		f(proof)
	}
}

// deadline is until when a read that begins now may wait; zero: for ever.
func (w *wire) deadline(now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.armed {
		return time.Time{}
	}
	return now.Add(w.timeout)
}

// arrived notes what a read that lasted from began to ended proves about the
// arrival of its n bytes, of the room that it had.
//
// A read that waited found the socket empty, so its bytes arrived at its end.
// Bytes that lay there already may be old, but not older than the moment at
// which the socket was last empty, nor than the bytes before them. In a
// process that stood still a read can look as if it had waited: then nothing
// is known but what was known before it, and that it emptied the socket after
// it began, not when it ended.
func (w *wire) arrived(began, ended time.Time, n, room int) {
	waited := ended.Sub(began) >= blocked
	stalled := waited && w.stalls != nil && w.stalls.StalledSince(began)

	w.mu.Lock()
	defer w.mu.Unlock()
	if waited && !stalled {
		w.proof = ended
	} else if w.drained.After(w.proof) {
		w.proof = w.drained
	}
	switch {
	case n == room:
	case stalled:
		w.drained = began
	default:
		w.drained = ended
	}
}

// overslept decides what a read that ran into the deadline means. Where the
// process stood still, nobody waited for a byte: the read is to be repeated.
func (w *wire) overslept(began time.Time) (again bool) {
	if w.stalls != nil && w.stalls.StalledSince(began) {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expired = true
	return false
}

// socket is a connection whose reads its wire sees.
type socket struct {
	net.Conn
	wire *wire
}

// Read waits at most the watchdog's time. The deadline is set anew at each
// read, so that the time in which nobody reads never counts.
func (s *socket) Read(p []byte) (int, error) {
	s.wire.takenUp()
	for {
		began := time.Now()
		deadline := s.wire.deadline(began)
		if !deadline.IsZero() {
			if err := s.Conn.SetReadDeadline(deadline); err != nil {
				return 0, err
			}
		}
		n, err := s.Conn.Read(p)
		if n > 0 {
			s.wire.arrived(began, time.Now(), n, len(p))
		}
		if n == 0 && !deadline.IsZero() && errors.Is(err, os.ErrDeadlineExceeded) && s.wire.overslept(began) {
			continue
		}
		return n, err
	}
}
