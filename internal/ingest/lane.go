package ingest

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// lane is a queue of reads with a bound in bytes. There is one for live events
// and a smaller one for repaired ones, so that a repair never takes the room
// that the live stream needs. Its queue is guarded by the delivery's lock.
type lane struct {
	max   int64
	room  *semaphore.Weighted // bytes that may still be queued
	queue []*Read
	bytes int64
}

func newLane(bytes int64) *lane { return &lane{max: bytes, room: semaphore.NewWeighted(bytes)} }

// reserve waits for room. A read larger than the whole lane waits until the
// lane is empty.
func (l *lane) reserve(ctx context.Context, r *Read) error { return l.room.Acquire(ctx, l.cost(r)) }

func (l *lane) cost(r *Read) int64 { return min(r.bytes, l.max) }

func (l *lane) append(r *Read) {
	l.queue = append(l.queue, r)
	l.bytes += r.bytes
}

// take removes the first n reads and returns them.
func (l *lane) take(n int) []*Read {
	reads := append([]*Read(nil), l.queue[:n]...)
	clear(l.queue[:n])
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
	var released int64
	for _, r := range reads {
		l.bytes -= r.bytes
		released += l.cost(r)
	}
	l.room.Release(released)
	return reads
}
