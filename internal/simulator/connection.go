package simulator

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

const (
	// heartbeat is after how much silence X sends an empty line
	// (docs.x.com: handling-disconnections).
	heartbeat = 20 * time.Second
	// chunkSize is about how many bytes are made and sent at a time.
	chunkSize = 64 << 10
	// tick is the least time between sending one Post and looking for the next.
	tick = 10 * time.Millisecond
	// patience is how long a write blocks before the send buffer is looked at.
	patience = 100 * time.Millisecond
	// blocking is how long a write takes when it had to wait for the client,
	// and not for a processor: only then can the client be too slow.
	blocking = 5 * time.Millisecond
	// ordersKept bounds the faults that wait for one connection.
	ordersKept = 8
)

// reason says why a connection ended.
type reason string

const (
	reasonClientLeft reason = "client_left"
	reasonOverflow   reason = "overflow"
	reasonReplaced   reason = "replaced"
	reasonShutdown   reason = "shutdown"
	reasonUsage      reason = "usage_capped"
)

// byX is whether X ended the connection itself, and so knows that its slot is free.
func (r reason) byX() bool {
	switch r {
	case reasonReplaced, reasonShutdown, reasonUsage, reasonOverflow, reason(CleanEnd), reason(OperationalDisconnect), reason(AcceptThenClose), reason(CutLine):
		return true
	}
	return false
}

// connection is one stream's response in progress. One goroutine sends, one
// reads, for only a read notices that the client has left.
type connection struct {
	id        int64
	stream    *stream
	partition int
	backfill  int // minutes
	opened    time.Time

	account  *account
	posts    *atomic.Int64 // of all connections
	overflow Overflow
	conn     net.Conn
	feed     *feed
	chunks   *chunks
	orders   chan Fault
	stopped  chan reason   // X ends the connection
	left     chan struct{} // closed when nothing more can be read from the client

	sent    atomic.Int64 // Posts
	bytes   atomic.Int64
	line    []byte
	blocked bool // the last write waited for the client
	last    time.Time
}

// end is the error with which sending stops once the connection is to end.
type end struct{ why reason }

func (e end) Error() string { return "ended: " + string(e.why) }

func (c *connection) compressed() bool { return c.chunks.zip != nil }

// stop ends the connection in X's name.
func (c *connection) stop(why reason) {
	select {
	case c.stopped <- why:
	default: // it is ending already
	}
}

// order gives the connection a fault to carry out. A reset does not wait for
// a write that the client holds up.
func (c *connection) order(f Fault) bool {
	if f.Kind == Reset {
		c.stop(reason(Reset))
		reset(c.conn)
		return true
	}
	select {
	case c.orders <- f:
		return true
	default:
		return false
	}
}

// serve sends the response whose head is given until something ends it. It
// closes the connection and leaves nothing running.
func (c *connection) serve(ctx context.Context, head []byte) reason {
	defer context.AfterFunc(ctx, func() { c.stop(reasonShutdown) })()
	go func() {
		defer close(c.left)
		io.Copy(io.Discard, c.conn) // a client has nothing more to say; its end is what counts
	}()
	defer func() { <-c.left }()
	defer c.conn.Close()

	c.last = time.Now()
	err := c.write(head)
	for err == nil {
		err = c.step()
	}
	if e, ok := errors.AsType[end](err); ok {
		if e.why == reasonOverflow {
			c.endOverflow()
		}
		return e.why
	}
	select {
	case why := <-c.stopped:
		return why
	default:
		return reasonClientLeft
	}
}

// step sends what is there, or waits for something to send.
func (c *connection) step() error {
	if err := c.listen(nil); err != nil {
		return err
	}
	now := c.feed.arrive(chunkSize)
	if (c.blocked || !c.feed.caught) && c.feed.overflows(now, 0) {
		return end{reasonOverflow}
	}
	var n int
	if c.line, n = c.feed.lines(c.line[:0], chunkSize); n > 0 {
		return c.sendPosts(c.line, n)
	}
	silence := c.last.Add(heartbeat)
	if !now.Before(silence) {
		return c.send([]byte("\r\n"))
	}
	wake := c.feed.next(silence)
	if soonest := c.last.Add(tick); wake.Before(soonest) {
		wake = soonest
	}
	timer := time.NewTimer(wake.Sub(now))
	defer timer.Stop()
	return c.listen(timer.C)
}

// listen carries out what the connection is told until the timer fires; without
// a timer, what it has been told already.
func (c *connection) listen(timer <-chan time.Time) error {
	if timer == nil {
		select {
		case f := <-c.orders:
			return c.fail(f)
		case why := <-c.stopped:
			return c.finish(why)
		case <-c.left:
			return end{reasonClientLeft}
		default:
			return nil
		}
	}
	select {
	case f := <-c.orders:
		return c.fail(f)
	case why := <-c.stopped:
		return c.finish(why)
	case <-c.left:
		return end{reasonClientLeft}
	case <-timer:
		return nil
	}
}

// pause waits without taking orders; without a duration, until the connection ends.
func (c *connection) pause(d time.Duration) error {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case why := <-c.stopped:
		return end{why}
	case <-c.left:
		return end{reasonClientLeft}
	case <-over:
		return nil
	}
}

// finish ends the response as HTTP wants it.
func (c *connection) finish(why reason) error {
	if err := c.write(c.chunks.end()); err != nil {
		return err
	}
	return end{why}
}

// fail carries out a fault of an open connection.
func (c *connection) fail(f Fault) error {
	why := reason(f.Kind)
	switch f.Kind {
	case CleanEnd:
		return c.finish(why)
	case Cut:
		chunk := c.chunks.frame(c.chunks.encode(c.someLine()))
		if err := c.write(chunk[:len(chunk)/2]); err != nil {
			return err
		}
		return end{why}
	case CutLine:
		line := c.someLine()
		if err := c.send(line[:len(line)/2]); err != nil {
			return err
		}
		return c.finish(why)
	case Stall:
		c.blocked = true // as the client is: what arrives meanwhile may be too much
		return c.pause(f.For)
	case OperationalDisconnect:
		if err := c.send(operationalDisconnect().line()); err != nil {
			return err
		}
		return c.finish(why)
	case Garbage:
		return c.send([]byte("{\"data\":{\"id\":\x00\xff<html>503 Service Temporarily Unavailable\r\n"))
	case Oversized:
		return c.oversized(cmp.Or(f.Bytes, 5<<20))
	case Trickle:
		return c.trickle(cmp.Or(f.For, 30*time.Second), cmp.Or(f.Rate, 10))
	case DamagedGzip:
		// Bytes of ones begin a deflate block of the type that does not exist.
		return c.write(c.chunks.frame(bytes.Repeat([]byte{0xff}, 64)))
	}
	return nil
}

// someLine is the next Post's line, to be cut off: the Post itself stays
// unsent, so that only who repeats the time gets it.
func (c *connection) someLine() []byte {
	p, ok := c.feed.live.peek(time.Now().Add(time.Hour).UnixNano())
	if !ok {
		return []byte("{\"data\":{\"id\":\"1900000000000000000\"}}\r\n")
	}
	return append(c.feed.history.render(nil, p), "\r\n"...)
}

// oversized sends a line that looks like a Post's and is none of the history.
func (c *connection) oversized(size int) error {
	const tail = "\"}}\r\n"
	id := uint64(time.Now().UnixMilli()-snowflakeEpoch)<<22 | (1<<22 - 1)
	head := fmt.Appendf(nil, `{"data":{"id":"%d","text":"`, id)
	if err := c.send(head); err != nil {
		return err
	}
	filling := bytes.Repeat([]byte("x"), chunkSize)
	for left := size - len(head) - len(tail); left > 0; left -= chunkSize {
		if err := c.send(filling[:min(left, chunkSize)]); err != nil {
			return err
		}
	}
	return c.send([]byte(tail))
}

// trickle sends byte by byte for a time, each as a chunk.
func (c *connection) trickle(d time.Duration, rate int) error {
	var body []byte
	for until := time.Now().Add(d); time.Now().Before(until); {
		now := c.feed.arrive(chunkSize)
		if c.feed.overflows(now, len(body)) {
			return end{reasonOverflow}
		}
		if len(body) == 0 {
			var n int
			if c.line, n = c.feed.lines(c.line[:0], 1); n == 0 {
				c.line = append(c.line, "\r\n"...)
			}
			if err := c.count(n); err != nil {
				return err
			}
			body = c.chunks.encode(c.line)
		}
		if err := c.write(c.chunks.frame(body[:1])); err != nil {
			return err
		}
		body = body[1:]
		if err := c.pause(time.Second / time.Duration(rate)); err != nil {
			return err
		}
	}
	if len(body) == 0 {
		return nil
	}
	return c.write(c.chunks.frame(body))
}

// endOverflow ends a connection whose client is too slow.
func (c *connection) endOverflow() {
	switch c.overflow {
	case OverflowReset:
		reset(c.conn)
	case OverflowSilent:
		c.account.release(c, reasonOverflow) // X has ended it, the client does not know
		c.pause(0)
	}
}

// count draws Posts that are about to be sent on the account's usage.
func (c *connection) count(posts int) error {
	if posts == 0 {
		return nil
	}
	if !c.account.use(posts) {
		if err := c.send(usageCapped().line()); err != nil {
			return err
		}
		return c.finish(reasonUsage)
	}
	c.sent.Add(int64(posts))
	c.posts.Add(int64(posts))
	return nil
}

// sendPosts sends the lines of n Posts.
func (c *connection) sendPosts(lines []byte, n int) error {
	if err := c.count(n); err != nil {
		return err
	}
	return c.send(lines)
}

// send sends text as one chunk.
func (c *connection) send(text []byte) error {
	return c.write(c.chunks.frame(c.chunks.encode(text)))
}

// write hands bytes to the network, for as long as the client may take.
func (c *connection) write(b []byte) error {
	start := time.Now()
	c.bytes.Add(int64(len(b)))
	for {
		c.conn.SetWriteDeadline(time.Now().Add(patience))
		n, err := c.conn.Write(b)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("write to client: %w", err)
		}
		b = b[n:]
		if now := c.feed.arrive(chunkSize); c.feed.overflows(now, len(b)) {
			return end{reasonOverflow}
		}
		select {
		case why := <-c.stopped:
			return end{why}
		default:
		}
	}
	c.last = time.Now()
	c.blocked = c.last.Sub(start) >= blocking
	return nil
}
