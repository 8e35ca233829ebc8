package simulator

import (
	"os"
	"sync"
	"time"
)

// pipe is one direction of a connection in memory: bytes under a bound. Its
// waits are on condition variables and timers, so that virtual time passes.
type pipe struct {
	mu       sync.Mutex
	changed  sync.Cond
	limit    int
	bytes    []byte // from start on they are on their way
	start    int
	readErr  error // once ended
	writeErr error
	reading  deadline
	writing  deadline
}

func newPipe(limit int) *pipe {
	p := &pipe{limit: limit}
	p.changed.L = &p.mu
	return p
}

// end makes writes fail, and reads too once what is on its way is read, or at
// once if it is dropped. The first end decides the errors.
func (p *pipe) end(writeErr, readErr error, drop bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writeErr == nil {
		p.writeErr, p.readErr = writeErr, readErr
	}
	if drop {
		p.readErr = readErr
		p.bytes, p.start = nil, 0
	}
	p.changed.Broadcast()
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.start < len(p.bytes):
			n := copy(b, p.bytes[p.start:])
			p.start += n
			p.changed.Broadcast()
			return n, nil
		case p.readErr != nil:
			return 0, p.readErr
		case p.reading.passed():
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		}
		p.changed.Wait()
	}
}

func (p *pipe) write(b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.writeErr != nil:
			return n, p.writeErr
		case p.writing.passed():
			return n, os.ErrDeadlineExceeded
		case n == len(b):
			return n, nil
		}
		if room := p.limit - (len(p.bytes) - p.start); room > 0 {
			part := b[n:min(len(b), n+room)]
			if p.start > 0 && len(p.bytes)+len(part) > cap(p.bytes) {
				p.bytes = p.bytes[:copy(p.bytes, p.bytes[p.start:])]
				p.start = 0
			}
			p.bytes = append(p.bytes, part...)
			n += len(part)
			p.changed.Broadcast()
			continue
		}
		p.changed.Wait()
	}
}

// deadline ends the waits of one side of a pipe.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// setDeadline sets one of p's deadlines; the zero time lifts it.
func (p *pipe) setDeadline(d *deadline, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.at = at
	if d.timer != nil {
		d.timer.Stop()
	}
	p.changed.Broadcast()
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		if d.timer == nil {
			d.timer = time.AfterFunc(wait, p.wake)
			return
		}
		d.timer.Reset(wait)
	}
}

func (p *pipe) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed.Broadcast()
}
