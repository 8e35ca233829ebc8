package simulator

import (
	"bytes"
	"cmp"
	"fmt"
	"time"
)

// fail carries out a fault of an open connection.
func (c *connection) fail(f Fault) error {
	why := reason(f.Kind)
	switch f.Kind {
	case CleanEnd:
		return c.finish(why)
	case Reset:
		c.reset()
		return end{why}
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
	p, ok := c.feed.upcoming()
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
			if c.line, n = c.feed.lines(c.line[:0], 1, 1); n == 0 {
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
