package ingest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/wait"
)

const (
	// retryFirst and retryMax bound the wait before rejected batches are
	// handed out again. The longest is what an output that has come back may
	// have to wait for its data.
	retryFirst = 50 * time.Millisecond
	retryMax   = time.Second

	// boundFor is how long the bound on what is handed out must hold
	// everything up before it is worth a warning, and boundEvery how often.
	boundFor   = 5 * time.Second
	boundEvery = 10 * time.Minute
)

// ErrIdle is returned when there is nothing to hand out and nothing to wait
// for: no connection is up, no event waits and none is unacknowledged.
var ErrIdle = errors.New("no connection is up")

// Batch is a number of reads that are handed out together. It is the unit
// that an output acknowledges or rejects.
type Batch struct {
	// Claim is the batch's identity, the same at each retry.
	Claim *dedupe.Claim
	Reads []*Read

	bytes  int64
	events int
}

// Len is the number of events in the batch.
func (b *Batch) Len() int { return b.events }

// repairShare is the part of the queue that repaired events may hold.
const repairShare = 4

// delivery is the queue of reads that wait, and the account of the batches
// that are handed out and not yet acknowledged. Rejected batches are kept and
// handed out again, whole and under the same claim, before anything new.
type delivery struct {
	live     *lane
	repaired *lane // handed out when nothing live waits
	flyMax   int64 // bytes that may be handed out and unacknowledged
	batchMax int   // events
	changed  wait.Signal

	mu      sync.Mutex
	due     []*Batch // rejected, to be handed out again now
	retries []*Batch // rejected since, to be handed out again at retryAt
	retryAt time.Time
	backoff backoff.BackOff // shared: it is the output that is in trouble
	flying  int64           // bytes handed out, retries included
	out     int             // batches handed out, retries included
	up      int             // connections
	failure error           // of the latest attempt to connect, until Connect reports it

	boundSince time.Time // the bound on what is handed out holds everything up
	boundTold  time.Time
	bound      func() // tells the user so; never called under a lock
}

func newDelivery(queueBytes, inFlightBytes int64, maxBatch int, bound func()) *delivery {
	return &delivery{
		live:     newLane(queueBytes),
		repaired: newLane(max(queueBytes/repairShare, 1)),
		flyMax:   inFlightBytes,
		batchMax: maxBatch,
		bound:    bound,
		backoff:  wait.Doubling(retryFirst, retryMax),
	}
}

// put queues a read, once there is room.
func (d *delivery) put(ctx context.Context, r *Read) error {
	l := d.live
	if r.repaired {
		l = d.repaired
	}
	if err := l.reserve(ctx, r); err != nil {
		return err
	}
	d.mu.Lock()
	l.append(r)
	d.mu.Unlock()
	d.changed.Broadcast()
	return nil
}

// waiting is the lane that is next, and nil when nothing waits.
func (d *delivery) waiting() *lane {
	for _, l := range []*lane{d.live, d.repaired} {
		if len(l.queue) > 0 {
			return l
		}
	}
	return nil
}

// next hands out a batch, waiting for one only when there is none.
func (d *delivery) next(ctx context.Context) (*Batch, error) {
	for {
		changed := d.changed.Next()
		now := time.Now()
		b, wake, err := d.take(now)
		if b != nil || err != nil {
			return b, err
		}
		if d.overdue(now) {
			d.bound()
		}
		var timer <-chan time.Time
		if wake > 0 {
			timer = time.After(wake)
		}
		select {
		case <-changed:
		case <-timer:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns a batch if one may be handed out at now; else how long to wait
// unless something changes first (0: for a change only), or ErrIdle.
func (d *delivery) take(now time.Time) (b *Batch, wake time.Duration, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// All that wait are due together: an output that batches would otherwise
	// wait for its period to fill up with one of them.
	if len(d.due) == 0 && !now.Before(d.retryAt) {
		d.due, d.retries = d.retries, nil
	}
	if len(d.due) > 0 {
		b = d.due[0]
		d.due = d.due[1:]
		return b, 0, nil
	}
	l := d.waiting()
	if l != nil && d.mayFly(l.queue[0], now) {
		return d.batch(l), 0, nil
	}
	if l == nil && d.up == 0 && d.out == 0 {
		return nil, 0, ErrIdle
	}
	if len(d.retries) > 0 {
		wake = d.retryAt.Sub(now)
	}
	if !d.boundSince.IsZero() {
		if rest := max(d.boundSince.Add(boundFor).Sub(now), time.Second); wake == 0 || rest < wake {
			wake = rest
		}
	}
	return nil, wake, nil
}

// mayFly reports whether a read may be handed out now. One batch always may,
// however large.
func (d *delivery) mayFly(r *Read, now time.Time) bool {
	if d.out == 0 || d.flying+r.bytes <= d.flyMax {
		d.boundSince = time.Time{}
		return true
	}
	if d.boundSince.IsZero() {
		d.boundSince = now
	}
	return false
}

// overdue reports whether the bound has held everything up for so long that
// the user is to know, and that he was not told lately.
func (d *delivery) overdue(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.boundSince.IsZero() || now.Sub(d.boundSince) < boundFor || !d.boundTold.IsZero() && now.Sub(d.boundTold) < boundEvery {
		return false
	}
	d.boundTold = now
	return true
}

// batch takes reads from a lane up to the limits of a batch.
func (d *delivery) batch(l *lane) *Batch {
	b := &Batch{Claim: &dedupe.Claim{}}
	n := 0
	for _, r := range l.queue {
		if n > 0 && (b.events+len(r.Events) > d.batchMax || d.flying+b.bytes+r.bytes > d.flyMax) {
			break
		}
		b.bytes += r.bytes
		b.events += len(r.Events)
		n++
	}
	b.Reads = l.take(n)
	d.flying += b.bytes
	d.out++
	return b
}

// acknowledge records that the output has all of b.
func (d *delivery) acknowledge(b *Batch) {
	for _, r := range b.Reads {
		r.claim.Acknowledge()
		r.settle(r, acknowledged)
	}
	d.free(b, true)
}

// drop records that the output has refused b for good: a later copy of its
// events passes.
func (d *delivery) drop(b *Batch) {
	b.Claim.Reject()
	for _, r := range b.Reads {
		r.claim.Reject()
		r.settle(r, rejected)
	}
	d.free(b, false)
}

// free makes room for others once b is settled; well says that the output
// took it.
func (d *delivery) free(b *Batch, well bool) {
	d.mu.Lock()
	d.flying -= b.bytes
	d.out--
	if well {
		// What was rejected may follow soon.
		d.backoff.Reset()
		if soon := time.Now().Add(retryFirst); d.retryAt.After(soon) {
			d.retryAt = soon
		}
	}
	d.mu.Unlock()
	d.changed.Broadcast()
}

// retry puts a rejected batch back at the head.
func (d *delivery) retry(b *Batch, now time.Time) {
	d.mu.Lock()
	// Batches that are rejected while a wait is under way share it.
	if !now.Before(d.retryAt) {
		d.retryAt = now.Add(d.backoff.NextBackOff())
	}
	d.retries = append(d.retries, b)
	d.mu.Unlock()
	d.changed.Broadcast()
}

// connected counts a connection that came up (by 1) or went down (by -1).
func (d *delivery) connected(by int) {
	d.mu.Lock()
	d.up += by
	if by > 0 {
		d.failure = nil
	}
	d.mu.Unlock()
	d.changed.Broadcast()
}

// failed records why the latest attempt to connect failed.
func (d *delivery) failed(err error) {
	d.mu.Lock()
	d.failure = err
	d.mu.Unlock()
	d.changed.Broadcast()
}

// ready waits until there is something to read or to wait for, or an attempt
// to connect has failed: then it returns that failure, once.
func (d *delivery) ready(ctx context.Context) error {
	for {
		changed := d.changed.Next()
		if ok, err := d.state(); ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *delivery) state() (ready bool, failure error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.up > 0 || d.waiting() != nil || d.out > 0 {
		return true, nil
	}
	failure, d.failure = d.failure, nil
	return false, failure
}

// size is the number of bytes that wait in the queue, and of those handed out
// and unacknowledged.
func (d *delivery) size() (queued, flying int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live.bytes + d.repaired.bytes, d.flying
}
