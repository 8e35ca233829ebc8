package xapi

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// wired is a socket on a wire, and its other end.
func wired(w *wire) (*socket, *memory) {
	client, server := newMemory()
	return &socket{Conn: client, wire: w}, server
}

// read reads up to n bytes and returns the proof after it, in seconds since
// the bubble's start; -1: none.
func read(t *testing.T, s *socket, n int, start time.Time) float64 {
	t.Helper()
	if _, err := s.Read(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	s.wire.mu.Lock()
	proof := s.wire.proof
	s.wire.mu.Unlock()
	if proof.IsZero() {
		return -1
	}
	return proof.Sub(start).Seconds()
}

func TestProof(t *testing.T) {
	// sent says at which second "12345678" is sent, and a step when the
	// reader reads up to how many bytes and what that proves.
	type step struct {
		at    float64
		room  int
		proof float64
	}
	tests := []struct {
		name  string
		sent  []float64
		stall [2]float64 // the process stands still from, to
		steps []step
	}{
		{name: "a reader that waits", sent: []float64{1, 3},
			steps: []step{{0, 100, 1}, {1, 100, 3}}},
		{name: "bytes that lay there from the start prove nothing", sent: []float64{1},
			steps: []step{{2, 100, -1}}},
		{name: "bytes that lay there came after the socket was empty", sent: []float64{1, 5, 6, 20},
			steps: []step{{0, 100, 1}, {10, 100, 1}, {15, 100, 20}}},
		{name: "an empty socket is known only by a short read", sent: []float64{1, 2, 9},
			steps: []step{{0, 8, 1}, {5, 8, 1}, {10, 8, 1}}},
		{name: "a short read that did not wait empties the socket, too", sent: []float64{1, 8},
			steps: []step{{5, 100, -1}, {10, 100, 5}}},
		{name: "what remains of a burst came no earlier than its start", sent: []float64{4},
			steps: []step{{0, 4, 4}, {4, 4, 4}}},
		{name: "a wait of less than five milliseconds is none", sent: []float64{1.004},
			steps: []step{{1, 100, -1}}},
		{name: "a wait while the process stood still is none", sent: []float64{1, 60, 65, 70},
			stall: [2]float64{20, 60},
			steps: []step{{0, 100, 1}, {10, 100, 1}, {67, 100, 10}, {68, 100, 70}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				after := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
				stalls := stallsIn(func(since time.Time) bool {
					return since.Before(start.Add(after(test.stall[1]))) && time.Since(start) >= after(test.stall[1])
				})
				s, server := wired(&wire{stalls: stalls})
				for _, at := range test.sent {
					time.AfterFunc(after(at), func() { server.Write([]byte("12345678")) })
				}
				for _, step := range test.steps {
					time.Sleep(after(step.at) - time.Since(start))
					synctest.Wait()
					if proof := read(t, s, step.room, start); proof != step.proof {
						t.Errorf("reading %d bytes from second %v on proves %v, want %v", step.room, step.at, proof, step.proof)
					}
				}
			})
		})
	}
}

func TestWatchdog(t *testing.T) {
	const timeout = 25 * time.Second
	arm := func(stalls StallDetector) (*socket, *memory) {
		w := &wire{timeout: timeout, stalls: stalls}
		w.arm()
		return wired(w)
	}
	expire := func(t *testing.T, s *socket, want time.Duration) {
		t.Helper()
		start := time.Now()
		_, err := s.Read(make([]byte, 10))
		if !errors.Is(err, os.ErrDeadlineExceeded) || !s.wire.hasExpired() || time.Since(start) != want {
			t.Errorf("%v after %s, s.wire.hasExpired() %t; want a timeout after %s", err, time.Since(start), s.wire.hasExpired(), want)
		}
	}

	t.Run("silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, _ := arm(nil)
			expire(t, s, timeout)
		})
	})
	t.Run("any byte counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, server := arm(nil)
			for range 100 {
				time.AfterFunc(timeout-time.Millisecond, func() { server.Write([]byte("x")) })
				read(t, s, 10, time.Now())
			}
			expire(t, s, timeout)
		})
	})
	t.Run("the reader is away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, server := arm(nil)
			server.Write([]byte("1"))
			read(t, s, 10, time.Now())
			time.Sleep(time.Hour)
			expire(t, s, timeout)
		})
	})
	t.Run("the process stood still", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			still := time.Now().Add(timeout)
			s, _ := arm(stallsIn(func(since time.Time) bool { return since.Before(still) }))
			expire(t, s, 2*timeout)
		})
	})
	t.Run("not before the headers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, server := wired(&wire{timeout: timeout})
			time.AfterFunc(time.Hour, func() { server.Write([]byte("x")) })
			read(t, s, 10, time.Now())
		})
	})
}
