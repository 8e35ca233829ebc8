package delivery

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

func testQueue(queueBytes, inFlightBytes int64, maxBatch int) (q *Queue, warnings *int) {
	warnings = new(int)
	return NewQueue(queueBytes, inFlightBytes, maxBatch, func() { *warnings++ }), warnings
}

// testRead is a read of n events of ten bytes each.
func testRead(n int) *Read {
	return &Read{Events: make([]Event, n), bytes: int64(10 * n), claim: &dedupe.Claim{}, settle: func(*Read, Fate) {}}
}

func mustPut(t *testing.T, q *Queue, reads ...*Read) {
	t.Helper()
	for _, r := range reads {
		if err := q.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func mustNext(t *testing.T, q *Queue) *Batch {
	t.Helper()
	b, err := q.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// none fails the test if a batch is handed out within q.
func none(t *testing.T, q *Queue, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if b, err := q.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got batch %v and error %v, want nothing for %v", b, err, within)
	}
}

func TestBatchHoldsWhatIsThereUpToItsLimits(t *testing.T) {
	q, _ := testQueue(1e6, 1e6, 10)
	q.Connected(1)
	mustPut(t, q, testRead(3), testRead(3), testRead(3), testRead(3), testRead(25), testRead(1))
	for _, want := range []int{9, 3, 25, 1} {
		if got := mustNext(t, q).Len(); got != want {
			t.Errorf("a batch of %d events, want %d", got, want)
		}
	}
}

func TestLiveEventsAreHandedOutBeforeRepairedOnes(t *testing.T) {
	q := NewQueue(400, 1000, 10, nil)
	repaired := testRead(50)
	repaired.repaired = true
	mustPut(t, q, repaired)
	mustPut(t, q, testRead(10))
	for _, want := range []bool{false, true} {
		b, _, err := q.handOut(time.Now())
		if err != nil || b == nil || b.Reads[0].repaired != want {
			t.Fatalf("handed out %v, %v; want a repaired read: %v", b, err, want)
		}
	}
	if q.repaired.max != 100 {
		t.Errorf("repaired events may hold %d bytes, want a quarter of 400", q.repaired.max)
	}
}

func TestQueueHoldsTheReaderUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := testQueue(100, 1e6, 1000)
		mustPut(t, q, testRead(10))
		done := make(chan struct{})
		go func() {
			mustPut(t, q, testRead(50)) // larger than the queue: alone it may
			close(done)
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Error("the queue is over its bound")
		default:
		}
		mustNext(t, q)
		<-done
		if got := mustNext(t, q).Len(); got != 50 {
			t.Errorf("a batch of %d events, want 50", got)
		}
	})
}

func TestInFlightBoundHoldsUpAndWarns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, warnings := testQueue(1e6, 100, 1)
		mustPut(t, q, testRead(5), testRead(5), testRead(5))
		first := mustNext(t, q)
		mustNext(t, q)
		none(t, q, fullFor-time.Second)
		if *warnings != 0 {
			t.Errorf("%d warnings before it lasts", *warnings)
		}
		none(t, q, time.Minute)
		if *warnings != 1 {
			t.Errorf("%d warnings, want one", *warnings)
		}
		q.Acknowledge(first)
		mustNext(t, q)
	})
}

// A log may be slow, or ask for the size of the queue.
func TestTheWarningIsGivenWithoutTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q *Queue
		warned := false
		q = NewQueue(1e6, 100, 1, func() {
			warned = true
			if !q.mu.TryLock() {
				t.Error("the queue is locked")
				return
			}
			q.mu.Unlock()
		})
		mustPut(t, q, testRead(9), testRead(9))
		mustNext(t, q)
		none(t, q, 2*fullFor)
		if !warned {
			t.Error("no warning")
		}
	})
}

func TestOneBatchMayAlwaysFly(t *testing.T) {
	q, _ := testQueue(1e6, 100, 1000)
	mustPut(t, q, testRead(500))
	if got := mustNext(t, q).Len(); got != 500 {
		t.Errorf("%d events, want 500", got)
	}
}

func TestRejectedBatchComesAgainWholeUnderItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := testQueue(1e6, 1e6, 10)
		mustPut(t, q, testRead(10), testRead(10))
		first := mustNext(t, q)
		claim := first.Claim
		q.Retry(first, time.Now())
		if b := mustNext(t, q); b == first {
			t.Error("no wait before a retry: new events should come first")
		}
		mustPut(t, q, testRead(10))
		time.Sleep(retryFirst)
		again := mustNext(t, q)
		if again != first || again.Claim != claim || again.Len() != 10 {
			t.Errorf("got another batch, or another claim, before the rejected one")
		}
	})
}

func TestRetriesShareOneBackoffAndAreDueTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := testQueue(1e6, 1e6, 10)
		var batches []*Batch
		for range 20 {
			mustPut(t, q, testRead(10))
			batches = append(batches, mustNext(t, q))
		}
		// The output is down for a minute: everything is rejected at once.
		for down := time.Now().Add(time.Minute); time.Now().Before(down); {
			for _, b := range batches {
				q.Retry(b, time.Now())
			}
			began := time.Now()
			for i := range batches {
				batches[i] = mustNext(t, q)
			}
			if wait := time.Since(began); wait > retryMax {
				t.Fatalf("a round of retries needed %v", wait)
			}
		}
		began := time.Now()
		for _, b := range batches {
			q.Retry(b, time.Now())
		}
		for range batches {
			q.Acknowledge(mustNext(t, q))
		}
		if d := time.Since(began); d > retryMax {
			t.Errorf("all is delivered %v after the output's return, want %v at most", d, retryMax)
		}
		if queued, flying := q.Size(); queued != 0 || flying != 0 {
			t.Errorf("%d bytes queued and %d handed out are left", queued, flying)
		}
	})
}

func TestPoisonedBatchDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := testQueue(1e6, 1e6, 10)
		mustPut(t, q, testRead(1))
		poison := mustNext(t, q)
		q.Retry(poison, time.Now())
		tries := 0
		for began := time.Now(); time.Since(began) < 10*time.Second; {
			mustPut(t, q, testRead(1))
			b := mustNext(t, q)
			if b == poison {
				tries++
				q.Retry(b, time.Now())
				continue
			}
			q.Acknowledge(b)
			time.Sleep(time.Millisecond)
		}
		if tries == 0 || tries > int(10*time.Second/retryFirst) {
			t.Errorf("%d tries of a batch that always fails, in ten seconds", tries)
		}
	})
}

func TestIdleOnlyWhenNothingIsLeftToWaitFor(t *testing.T) {
	q, _ := testQueue(1e6, 1e6, 10)
	idle := func() bool {
		_, wake, err := q.handOut(time.Now())
		return errors.Is(err, ErrIdle) && wake == 0
	}
	if !idle() {
		t.Error("at first: not idle")
	}
	q.Connected(1)
	if idle() {
		t.Error("with a connection: idle")
	}
	mustPut(t, q, testRead(1))
	q.Connected(-1)
	b := mustNext(t, q)
	if idle() {
		t.Error("with an unacknowledged batch: idle")
	}
	q.Acknowledge(b)
	if !idle() {
		t.Error("with nothing left: not idle")
	}
}

// Whoever settles reads looks at their claim, and keeps a lock of its own under
// which it may look at the queue.
func TestReadsAreSettledOnceAfterTheirClaimAndWithoutTheLock(t *testing.T) {
	for _, want := range []Fate{Acknowledged, Rejected} {
		q, _ := testQueue(1e6, 1e6, 10)
		var settled []*Read
		first, second := testRead(1), testRead(2)
		for _, r := range []*Read{first, second} {
			r.settle = func(settling *Read, fate Fate) {
				settled = append(settled, settling)
				if fate != want {
					t.Errorf("fate %q, want %d", fate, want)
				}
				if settling.claim.Rejected() != (want == Rejected) || settling.claim.Acknowledged() != (want == Acknowledged) {
					t.Error("the claim does not say so yet")
				}
				if !q.mu.TryLock() {
					t.Fatal("the queue is locked")
				}
				q.mu.Unlock()
				if _, flying := q.Size(); flying == 0 {
					t.Error("there is room for others before all is settled")
				}
			}
		}
		mustPut(t, q, first, second)
		b := mustNext(t, q)
		q.Retry(b, time.Now().Add(-time.Hour))
		if b = mustNext(t, q); len(settled) != 0 {
			t.Error("a retry settles")
		}
		if want == Acknowledged {
			q.Acknowledge(b)
		} else {
			q.Drop(b)
		}
		if len(settled) != 2 || settled[0] != first || settled[1] != second {
			t.Errorf("%d reads are settled, want two in their order", len(settled))
		}
		if b.Claim.Rejected() != (want == Rejected) {
			t.Errorf("fate %d: the batch is rejected for good: %v", want, b.Claim.Rejected())
		}
	}
}

func TestReadyReportsEachFailureOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := testQueue(1e6, 1e6, 10)
		failure := errors.New("no route")
		q.Failed(failure)
		if err := q.Ready(t.Context()); !errors.Is(err, failure) {
			t.Errorf("got %v, want the failure", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := q.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want to wait for the next attempt", err)
		}
		go func() {
			time.Sleep(time.Minute)
			q.Connected(1)
		}()
		if err := q.Ready(t.Context()); err != nil {
			t.Errorf("once connected: %v", err)
		}
	})
}
