package delivery

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// lane is a line of reads with a bound in bytes. There is one for live events
// and a smaller one for repaired ones, so that a repair never uses the room
// that the live stream needs. Its reads are guarded by the queue's lock.
type lane struct {
	max   int64
	room  *semaphore.Weighted // bytes that may still be queued
	reads []*Read
	bytes int64
}

func newLane(bytes int64) *lane { return &lane{max: bytes, room: semaphore.NewWeighted(bytes)} }

// reserve waits for room. A read larger than the whole lane waits until the
// lane is empty.
func (l *lane) reserve(ctx context.Context, r *Read) error { return l.room.Acquire(ctx, l.cost(r)) }

func (l *lane) cost(r *Read) int64 { return min(r.bytes, l.max) }

func (l *lane) append(r *Read) {
	l.reads = append(l.reads, r)
	l.bytes += r.bytes
}

// pop removes the first n reads and returns them.
func (l *lane) pop(n int) []*Read {
	reads := append([]*Read(nil), l.reads[:n]...)
	clear(l.reads[:n])
	if l.reads = l.reads[n:]; len(l.reads) == 0 {
		l.reads = nil
	}
	var released int64
	for _, r := range reads {
		l.bytes -= r.bytes
		released += l.cost(r)
	}
	l.room.Release(released)
	return reads
}
