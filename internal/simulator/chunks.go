package simulator

import (
	"bytes"
	"compress/gzip"
	"fmt"
)

// chunks turns lines into the chunks of an HTTP/1.1 response, compressed or not.
type chunks struct {
	zip        *gzip.Writer // nil: not compressed
	compressed bytes.Buffer
	out        []byte
}

// lastChunk ends a response.
const lastChunk = "0\r\n\r\n"

func newChunks(compressed bool) *chunks {
	c := &chunks{}
	if compressed {
		c.zip, _ = gzip.NewWriterLevel(&c.compressed, gzip.BestSpeed) // the level is valid
	}
	return c
}

// encode returns what stands for lines in the body, flushed so that a reader
// gets all of them. It is valid until the next call.
func (c *chunks) encode(lines []byte) []byte {
	if c.zip == nil {
		return lines
	}
	c.compressed.Reset()
	c.zip.Write(lines) // a buffer takes all
	c.zip.Flush()
	return c.compressed.Bytes()
}

// frame returns body as one chunk, valid until the next call.
func (c *chunks) frame(body []byte) []byte {
	c.out = fmt.Appendf(c.out[:0], "%x\r\n", len(body))
	c.out = append(c.out, body...)
	return append(c.out, "\r\n"...)
}

// end returns the end of the body, as a chunk if there is something to say, and
// the end of the response.
func (c *chunks) end() []byte {
	if c.zip == nil {
		return []byte(lastChunk)
	}
	c.compressed.Reset()
	c.zip.Close()
	return append(c.frame(c.compressed.Bytes()), lastChunk...)
}
