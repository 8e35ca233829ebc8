package simulator

import (
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
	reasonComplete   reason = "complete"   // a recovery has sent its period
	reasonTerminated reason = "terminated" // by DELETE /2/connections
)

// byX is whether X ended the connection itself, and so knows that its slot is free.
func (r reason) byX() bool {
	switch r {
	case reasonReplaced, reasonShutdown, reasonUsage, reasonComplete, reasonTerminated, reasonOverflow, reason(CleanEnd), reason(OperationalDisconnect), reason(CutLine):
		return true
	}
	return false
}

// connection is one stream's response in progress. One goroutine sends, one
// reads, for only a read notices that the client has left.
type connection struct {
	id     int64
	stream *stream
	asked  streamParameters
	opened time.Time

	account  *account
	faults   *faults
	posts    *atomic.Int64 // of all connections
	overflow Overflow
	conn     net.Conn
	feed     *feed
	chunks   *chunks
	orders   chan Fault
	stopped  chan reason   // X ends the connection
	left     chan struct{} // closed when nothing more can be read from the client

	broken  atomic.Bool  // by a reset, not by the client
	sent    atomic.Int64 // Posts
	bytes   atomic.Int64
	line    []byte
	blocked bool // the last write waited for the client
	last    time.Time
}

// end is the error with which sending stops once the connection is to end.
type end struct{ why reason }

func (e end) Error() string { return "ended: " + string(e.why) }

func (c *connection) claim() claim {
	return claim{c.stream, c.asked.partition, !c.asked.recovery.isZero()}
}

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
		c.reset()
		return true
	}
	select {
	case c.orders <- f:
		return true
	default:
		return false
	}
}

func (c *connection) reset() {
	c.broken.Store(true)
	reset(c.conn)
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
	e, ok := errors.AsType[end](err)
	if !ok { // a write failed
		e, _ = errors.AsType[end](c.leave())
	}
	if e.why == reasonOverflow {
		c.endOverflow()
	}
	return e.why
}

// step sends what is there, or waits for something to send.
func (c *connection) step() error {
	if err := c.listen(nil); err != nil {
		return err
	}
	fault, due, most := c.faults.ahead(c)
	if due {
		return c.fail(fault)
	}
	now := c.feed.arrive(chunkSize)
	if (c.blocked || !c.feed.caught) && c.feed.overflows(now, 0) {
		return end{reasonOverflow}
	}
	c.line = c.line[:0]
	if c.feed.interleave && c.feed.backlog != nil {
		c.line = append(c.line, "\r\n"...)
	}
	var n int
	if c.line, n = c.feed.lines(c.line, chunkSize, most); n > 0 {
		return c.sendPosts(c.line, n)
	}
	if c.feed.done() {
		return c.finish(reasonComplete)
	}
	return c.wait(now)
}

// wait sends a heartbeat if it is time, or waits for something to send.
func (c *connection) wait(now time.Time) error {
	silence := c.last.Add(heartbeat)
	if !now.Before(silence) {
		return c.send([]byte("\r\n"))
	}
	wake := c.feed.next(silence)
	if wake.IsZero() {
		return nil
	}
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
			return c.leave()
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
		return c.leave()
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
		return c.leave()
	case <-over:
		return nil
	}
}

// leave is the end of a connection that is gone: by the client, unless it was
// reset or stopped.
func (c *connection) leave() error {
	if c.broken.Load() {
		return end{reason(Reset)}
	}
	select {
	case why := <-c.stopped:
		return end{why}
	default:
		return end{reasonClientLeft}
	}
}

// finish ends the response as HTTP wants it, if the client takes that.
func (c *connection) finish(why reason) error {
	c.write(c.chunks.end())
	return end{why}
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
