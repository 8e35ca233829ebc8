package xapi

import (
	"bytes"
	"io"
	"sync/atomic"
)

const (
	defaultMaxLineBytes = 4 << 20
	initialBufferBytes  = 64 << 10
	fillsUntilShrunk    = 64  // of a grown buffer that no line needs
	maxEmptyReads       = 100 // of a reader that returns neither bytes nor an error
)

// lineReader cuts what it reads into lines that end with "\n" or "\r\n",
// however the bytes come. It never returns a line without its end, and skips
// whole lines that are too long.
type lineReader struct {
	r   io.Reader
	max int // bytes of a line without its end

	buf       []byte
	start     int  // of the line that is returned next
	searched  int  // no "\n" between start and here
	end       int  // of what was read
	skipping  bool // inside a line that is too long
	roomy     int  // fills since a line last needed a grown buffer
	oversized atomic.Int64
	err       error // from r, due when the lines before it were returned
}

func newLineReader(r io.Reader, max int) *lineReader {
	return &lineReader{r: r, max: max, buf: make([]byte, initialBufferBytes)}
}

// lines appends all complete lines of the buffer to dst, at most max, and
// waits for one when there is none. The lines are without their ends, and a
// line of white space, a heartbeat, is empty. They are valid until the next
// call. An error comes with no lines, and again at each call.
func (l *lineReader) lines(dst [][]byte, max int) ([][]byte, error) {
	had := len(dst)
	for {
		for len(dst)-had < max {
			line, ok := l.cut()
			if !ok {
				break
			}
			dst = append(dst, line)
		}
		if len(dst) > had || max <= 0 {
			return dst, nil
		}
		if l.err != nil {
			return dst, l.err
		}
		l.fill()
	}
}

// unfinished says that the bytes read end inside a line.
func (l *lineReader) unfinished() bool {
	return l.skipping || l.start < l.end
}

// cut takes the next complete line from the buffer.
func (l *lineReader) cut() (line []byte, ok bool) {
	for {
		i := bytes.IndexByte(l.buf[l.searched:l.end], '\n')
		if i < 0 {
			l.searched = l.end
			l.giveUpTooLong()
			return nil, false
		}
		line = l.buf[l.start : l.searched+i]
		l.start = l.searched + i + 1
		l.searched = l.start
		if l.skipping {
			l.skipping = false
			continue
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if len(line) > l.max {
			l.oversized.Add(1)
			continue
		}
		if len(line) > 0 && line[0] <= ' ' && skipSpace(line, 0) == len(line) {
			line = line[:0]
		}
		return line, true
	}
}

// giveUpTooLong forgets an unfinished line that is too long even if its last
// byte were the "\r" of its end, and what comes of it later.
func (l *lineReader) giveUpTooLong() {
	if l.skipping {
		l.start = l.end
	} else if l.end-l.start > l.max+1 {
		l.oversized.Add(1)
		l.skipping = true
		l.start = l.end
	}
}

// fill reads once more, after making room for it.
func (l *lineReader) fill() {
	l.makeRoom()
	for range maxEmptyReads {
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		if err != nil {
			l.err = err
			return
		}
		if n > 0 {
			return
		}
	}
	l.err = io.ErrNoProgress
}

// makeRoom moves the unfinished line to the front of the buffer, and grows
// the buffer when that line fills more than half of it, up to the longest
// line with its end. A grown buffer goes once no line has needed it for long.
func (l *lineReader) makeRoom() {
	tail := l.buf[l.start:l.end]
	size := len(l.buf)
	switch {
	case len(tail) > size/2:
		size = min(2*size, max(initialBufferBytes, l.max+len("\r\n")))
		l.roomy = 0
	case len(tail) > initialBufferBytes/2 || size == initialBufferBytes:
		l.roomy = 0
	default:
		if l.roomy++; l.roomy == fillsUntilShrunk {
			size = initialBufferBytes
		}
	}
	buf := l.buf
	if size != len(buf) {
		buf = make([]byte, size)
	}
	copy(buf, tail)
	l.searched -= l.start
	l.buf, l.start, l.end = buf, 0, len(tail)
}
