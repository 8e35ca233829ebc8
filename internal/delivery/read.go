package delivery

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

// Read is the new events of one read of one connection, or of a part of a
// search. It is the unit in which events are queued and settled.
type Read struct {
	Partition  int       // 0 on a stream without partitions
	Connection int       // 1..N, of the partition's; 0: a job brought it
	Received   time.Time // by X's clock
	Events     []Event   // at least one

	repaired bool // brought by a job
	bytes    int64
	claim    *dedupe.Claim
	settle   Settle
}

// Created is the period from the creation of the read's oldest event to that
// of its newest. Where an event does not say, its arrival counts.
func (r *Read) Created() (oldest, newest time.Time) {
	for n, e := range r.Events {
		at := r.Received
		if e.Created != 0 {
			at = time.UnixMilli(e.Created)
		}
		if n == 0 || at.Before(oldest) {
			oldest = at
		}
		if n == 0 || at.After(newest) {
			newest = at
		}
	}
	return oldest, newest
}
