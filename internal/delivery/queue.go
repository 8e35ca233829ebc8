package delivery

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

	// fullFor is how long the bound on what is handed out must stop everything
	// before it is worth a warning, and warnEvery how often.
	fullFor   = 5 * time.Second
	warnEvery = 10 * time.Minute

	// repairShare is the part of the queue that repaired events may fill.
	repairShare = 4
)

// ErrIdle is returned when there is nothing to hand out and nothing to wait
// for: no connection is up, no event waits and none is unacknowledged.
var ErrIdle = errors.New("no connection is up")

// Queue is the reads that wait, and the account of the batches that are handed
// out and not yet settled. Rejected batches are kept and handed out again, whole
// and under the same claim, before anything new. Live events go before repaired
// ones, which fill a quarter of the room beside it. Its methods may be called
// from any goroutine; none calls a function of others under its lock.
type Queue struct {
	live     *lane
	repaired *lane // handed out when nothing live waits
	flyMax   int64 // bytes that may be handed out and unacknowledged
	batchMax int   // events
	changed  wait.Signal
	warn     func()

	mu        sync.Mutex
	due       []*Batch // rejected, to be handed out again now
	retries   []*Batch // rejected since, to be handed out again at retryAt
	retryAt   time.Time
	backoff   backoff.BackOff // shared: it is the output that is in trouble
	flying    int64           // bytes handed out, retries included
	out       int             // batches handed out, retries included
	up        int             // connections
	failure   error           // of the latest attempt to connect, until Ready reports it
	fullSince time.Time       // flyMax stops everything; zero: it does not
	warnedAt  time.Time       // zero: never
}

// NewQueue makes a queue of at most queueBytes of live events, which has at
// most inFlightBytes handed out and unacknowledged, in batches of at most
// maxBatch events. One read fits into an empty queue, and one batch may always
// be handed out, however large. The function warn is called when inFlightBytes
// has stopped everything for five seconds, at most every ten minutes, by whoever
// waits for the next batch.
func NewQueue(queueBytes, inFlightBytes int64, maxBatch int, warn func()) *Queue {
	return &Queue{
		live:     newLane(queueBytes),
		repaired: newLane(max(queueBytes/repairShare, 1)),
		flyMax:   inFlightBytes,
		batchMax: maxBatch,
		warn:     warn,
		backoff:  wait.Doubling(retryFirst, retryMax),
	}
}

// Put queues a read, once there is room. It returns ctx's error when that ends
// first: then the read is not queued, and never settled.
func (q *Queue) Put(ctx context.Context, r *Read) error {
	l := q.live
	if r.repaired {
		l = q.repaired
	}
	if err := l.reserve(ctx, r); err != nil {
		return err
	}
	q.mu.Lock()
	l.append(r)
	q.mu.Unlock()
	q.changed.Broadcast()
	return nil
}

// head is the lane that is next, and nil when nothing waits.
func (q *Queue) head() *lane {
	for _, l := range []*lane{q.live, q.repaired} {
		if len(l.reads) > 0 {
			return l
		}
	}
	return nil
}

// Next hands out a batch, waiting for one only when there is none. The batch
// must come back, by Acknowledge, Retry or Drop. It returns ErrIdle when there
// is nothing to wait for either, and ctx's error when that ends first.
func (q *Queue) Next(ctx context.Context) (*Batch, error) {
	for {
		changed := q.changed.Next()
		now := time.Now()
		b, wake, err := q.handOut(now)
		if b != nil || err != nil {
			return b, err
		}
		if q.overdue(now) {
			q.warn()
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

// handOut returns a batch if one may be handed out at now; else how long to
// wait unless something changes first (0: for a change only), or ErrIdle.
func (q *Queue) handOut(now time.Time) (b *Batch, wake time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	// All that wait are due together: an output that batches would otherwise
	// wait for its period to fill up with one of them.
	if len(q.due) == 0 && !now.Before(q.retryAt) {
		q.due, q.retries = q.retries, nil
	}
	if len(q.due) > 0 {
		b = q.due[0]
		q.due = q.due[1:]
		return b, 0, nil
	}
	l := q.head()
	if l != nil && q.mayFly(l.reads[0], now) {
		return q.batch(l), 0, nil
	}
	if l == nil && q.up == 0 && q.out == 0 {
		return nil, 0, ErrIdle
	}
	if len(q.retries) > 0 {
		wake = q.retryAt.Sub(now)
	}
	if !q.fullSince.IsZero() {
		if rest := max(q.fullSince.Add(fullFor).Sub(now), time.Second); wake == 0 || rest < wake {
			wake = rest
		}
	}
	return nil, wake, nil
}

// mayFly reports whether a read may be handed out now. One batch always may,
// however large.
func (q *Queue) mayFly(r *Read, now time.Time) bool {
	if q.out == 0 || q.flying+r.bytes <= q.flyMax {
		q.fullSince = time.Time{}
		return true
	}
	if q.fullSince.IsZero() {
		q.fullSince = now
	}
	return false
}

// overdue reports whether a warning is due that the bound on what is handed out
// stops everything, and notes that it is given.
func (q *Queue) overdue(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fullSince.IsZero() || now.Sub(q.fullSince) < fullFor || !q.warnedAt.IsZero() && now.Sub(q.warnedAt) < warnEvery {
		return false
	}
	q.warnedAt = now
	return true
}

// batch makes a batch of the first reads of a lane, up to its limits.
func (q *Queue) batch(l *lane) *Batch {
	b := &Batch{Claim: &dedupe.Claim{}}
	n := 0
	for _, r := range l.reads {
		if n > 0 && (b.events+len(r.Events) > q.batchMax || q.flying+b.bytes+r.bytes > q.flyMax) {
			break
		}
		b.bytes += r.bytes
		b.events += len(r.Events)
		n++
	}
	b.Reads = l.pop(n)
	q.flying += b.bytes
	q.out++
	return b
}

// Acknowledge records that the output has all of b, which Next handed out: its
// reads are settled, and there is room for others.
func (q *Queue) Acknowledge(b *Batch) {
	for _, r := range b.Reads {
		r.claim.Acknowledge()
		r.settle(r, Acknowledged)
	}
	q.free(b, true)
}

// Drop records that the output has refused b, which Next handed out, for good:
// its reads are settled, and a later copy of its events passes.
func (q *Queue) Drop(b *Batch) {
	b.Claim.Reject()
	for _, r := range b.Reads {
		r.claim.Reject()
		r.settle(r, Rejected)
	}
	q.free(b, false)
}

// free makes room for others once b is settled; well says that the output has
// it.
func (q *Queue) free(b *Batch, well bool) {
	q.mu.Lock()
	q.flying -= b.bytes
	q.out--
	if well {
		// What was rejected may follow soon.
		q.backoff.Reset()
		if soon := time.Now().Add(retryFirst); q.retryAt.After(soon) {
			q.retryAt = soon
		}
	}
	q.mu.Unlock()
	q.changed.Broadcast()
}

// Retry records that the output rejected b, which Next handed out, at now: it
// is handed out again as a whole after a wait of at most a second, which all
// retries share. Nothing of it is settled.
func (q *Queue) Retry(b *Batch, now time.Time) {
	q.mu.Lock()
	// Batches that are rejected while a wait is under way share it.
	if !now.Before(q.retryAt) {
		q.retryAt = now.Add(q.backoff.NextBackOff())
	}
	q.retries = append(q.retries, b)
	q.mu.Unlock()
	q.changed.Broadcast()
}

// Connected counts a connection that came up (by 1) or went down (by -1).
func (q *Queue) Connected(by int) {
	q.mu.Lock()
	q.up += by
	if by > 0 {
		q.failure = nil
	}
	q.mu.Unlock()
	q.changed.Broadcast()
}

// Failed records why the latest attempt to connect failed, for Ready.
func (q *Queue) Failed(err error) {
	q.mu.Lock()
	q.failure = err
	q.mu.Unlock()
	q.changed.Broadcast()
}

// Ready waits until there is something to hand out or to wait for, and returns
// nil; or until an attempt to connect has failed: then it returns that failure,
// each once. It returns ctx's error when that ends first.
func (q *Queue) Ready(ctx context.Context) error {
	for {
		changed := q.changed.Next()
		if ok, err := q.state(); ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (q *Queue) state() (ready bool, failure error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.up > 0 || q.head() != nil || q.out > 0 {
		return true, nil
	}
	failure, q.failure = q.failure, nil
	return false, failure
}

// Size is the number of bytes of events that wait, and of those handed out and
// unacknowledged.
func (q *Queue) Size() (queued, inFlight int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.live.bytes + q.repaired.bytes, q.flying
}
