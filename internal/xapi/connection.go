package xapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Connection is one response in progress. ReadLines is for one goroutine;
// all else may be called from any.
type Connection struct {
	life     context.Context
	end      context.CancelCauseFunc
	wire     *wire
	suspects *suspects
	body     io.ReadCloser
	lines    *lineReader
	gzip     bool // lines have no checksum until the response ends
	opened   time.Time
	date     time.Time
	limits   Limits

	problem *Problem // what ended the reading
	close   func() error
}

func newConnection(life context.Context, end context.CancelCauseFunc, w *wire, res *http.Response, opened time.Time, maxLineBytes int, lines *suspects) *Connection {
	c := &Connection{
		life: life, end: end, wire: w, suspects: lines,
		body:   res.Body,
		gzip:   isGzip(res),
		opened: opened,
		date:   dateOf(res.Header),
		limits: limitsOf(res.Header),
	}
	var r io.Reader = res.Body
	if c.gzip {
		r = &gunzip{src: r}
	}
	c.lines = newLineReader(r, maxLineBytes)
	c.close = sync.OnceValue(c.shut)
	return c
}

// Opened returns the local time at which the response headers came.
func (c *Connection) Opened() time.Time { return c.opened }

// Skew returns X's clock minus ours, in whole seconds; 0 when they are within
// 2 s of each other, which the Date header cannot tell from equal, or when X
// sent no date.
func (c *Connection) Skew() time.Duration { return Skew(c.date, c.opened) }

// Skew is X's clock minus ours, as Connection.Skew has it, by an answer with
// that date that came at a moment of ours.
func Skew(date, came time.Time) time.Duration {
	if date.IsZero() {
		return 0
	}
	// The header leaves out the fraction of its second, on average a half.
	skew := date.Add(500 * time.Millisecond).Sub(came.Round(0)).Round(time.Second)
	if skew.Abs() <= 2*time.Second {
		return 0
	}
	return skew
}

// Limits returns what X said with the headers about further connects.
func (c *Connection) Limits() Limits { return c.limits }

// ReadLines blocks until at least one complete line is there, and appends all
// complete lines of the buffer to dst, at most max. They are without their
// ends; an empty one is a heartbeat. They alias the read buffer and are valid
// until the next call. An unfinished last line is never returned.
//
// The error is a *Problem and comes with no lines: what was read before it is
// returned first.
func (c *Connection) ReadLines(dst [][]byte, max int) ([][]byte, error) {
	if c.problem != nil {
		return dst, c.problem
	}
	had := len(dst)
	dst, err := c.lines.lines(dst, max)
	if err == nil && c.gzip {
		dst, err = c.suspects.untilDamage(dst, had)
	}
	if err != nil {
		c.problem = c.ending(err)
		if len(dst) == had {
			return dst, c.problem
		}
	}
	return dst, nil
}

// ending tells why the reading ended. The first cause counts: once we close
// a connection, or its watchdog does, all other errors follow from that.
func (c *Connection) ending(err error) *Problem {
	if cause := context.Cause(c.life); cause != nil {
		return &Problem{Class: Network, Reason: "closed", Sent: true, Err: cause}
	}
	if c.wire.hasExpired() {
		return &Problem{Class: Network, Reason: "heartbeat_timeout", Sent: true, Err: errHeartbeatTimeout}
	}
	return ending(err, c.lines.unfinished())
}

// OnProof makes f learn up to which moment nothing is missing. f is called
// from within ReadLines, before that waits for more bytes: then all lines that
// had arrived have been returned by earlier calls. The moment is when the last
// bytes arrived where the reader waited for them, else when the socket was
// last empty before them. It counts only if a complete line was returned since
// the last call: bytes may be of a line that never ends.
func (c *Connection) OnProof(f func(time.Time)) { c.wire.listen(f) }

// Oversized returns how many lines were skipped because they were too long.
func (c *Connection) Oversized() int64 { return c.lines.oversized.Load() }

// Close ends the connection, and a ReadLines that waits. It may be called
// more than once.
func (c *Connection) Close() error { return c.close() }

func (c *Connection) shut() error {
	c.end(net.ErrClosed)
	c.wire.close()
	return c.body.Close()
}
