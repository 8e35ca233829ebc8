package ingest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

func testDelivery(queueBytes, inFlightBytes int64, maxBatch int) (d *delivery, warnings *int) {
	warnings = new(int)
	return newDelivery(queueBytes, inFlightBytes, maxBatch, func() { *warnings++ }), warnings
}

// testRead is a read of n events of ten bytes each.
func testRead(n int) *Read {
	return &Read{Events: make([]Event, n), bytes: int64(10 * n), claim: &dedupe.Claim{}, settle: func(*Read, fate) {}}
}

func mustPut(t *testing.T, d *delivery, reads ...*Read) {
	t.Helper()
	for _, r := range reads {
		if err := d.put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func mustNext(t *testing.T, d *delivery) *Batch {
	t.Helper()
	b, err := d.next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// none fails the test if a batch is handed out within d.
func none(t *testing.T, d *delivery, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if b, err := d.next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got batch %v and error %v, want nothing for %v", b, err, within)
	}
}

func TestBatchHoldsWhatIsThereUpToItsLimits(t *testing.T) {
	d, _ := testDelivery(1e6, 1e6, 10)
	d.connected(1)
	mustPut(t, d, testRead(3), testRead(3), testRead(3), testRead(3), testRead(25), testRead(1))
	for _, want := range []int{9, 3, 25, 1} {
		if got := mustNext(t, d).Len(); got != want {
			t.Errorf("a batch of %d events, want %d", got, want)
		}
	}
}

func TestQueueHoldsTheReaderUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := testDelivery(100, 1e6, 1000)
		mustPut(t, d, testRead(10))
		done := make(chan struct{})
		go func() {
			mustPut(t, d, testRead(50)) // larger than the queue: alone it may
			close(done)
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Error("the queue is over its bound")
		default:
		}
		mustNext(t, d)
		<-done
		if got := mustNext(t, d).Len(); got != 50 {
			t.Errorf("a batch of %d events, want 50", got)
		}
	})
}

func TestInFlightBoundHoldsUpAndWarns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, warnings := testDelivery(1e6, 100, 1)
		mustPut(t, d, testRead(5), testRead(5), testRead(5))
		first := mustNext(t, d)
		mustNext(t, d)
		none(t, d, boundFor-time.Second)
		if *warnings != 0 {
			t.Errorf("%d warnings before it lasts", *warnings)
		}
		none(t, d, time.Minute)
		if *warnings != 1 {
			t.Errorf("%d warnings, want one", *warnings)
		}
		d.acknowledge(first)
		mustNext(t, d)
	})
}

// A log may be slow, or ask for the size of the queue.
func TestTheWarningIsGivenWithoutTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *delivery
		warned := false
		d = newDelivery(1e6, 100, 1, func() {
			warned = true
			if !d.mu.TryLock() {
				t.Error("the queue is locked")
				return
			}
			d.mu.Unlock()
		})
		mustPut(t, d, testRead(9), testRead(9))
		mustNext(t, d)
		none(t, d, 2*boundFor)
		if !warned {
			t.Error("no warning")
		}
	})
}

func TestOneBatchMayAlwaysFly(t *testing.T) {
	d, _ := testDelivery(1e6, 100, 1000)
	mustPut(t, d, testRead(500))
	if got := mustNext(t, d).Len(); got != 500 {
		t.Errorf("%d events, want 500", got)
	}
}

func TestRejectedBatchComesAgainWholeUnderItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := testDelivery(1e6, 1e6, 10)
		mustPut(t, d, testRead(10), testRead(10))
		first := mustNext(t, d)
		claim := first.Claim
		d.retry(first, time.Now())
		if b := mustNext(t, d); b == first {
			t.Error("no wait before a retry: new events should come first")
		}
		mustPut(t, d, testRead(10))
		time.Sleep(retryFirst)
		again := mustNext(t, d)
		if again != first || again.Claim != claim || again.Len() != 10 {
			t.Errorf("got another batch, or another claim, before the rejected one")
		}
	})
}

func TestRetriesShareOneBackoffAndAreDueTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := testDelivery(1e6, 1e6, 10)
		var batches []*Batch
		for range 20 {
			mustPut(t, d, testRead(10))
			batches = append(batches, mustNext(t, d))
		}
		// The output is down for a minute: everything is rejected at once.
		for down := time.Now().Add(time.Minute); time.Now().Before(down); {
			for _, b := range batches {
				d.retry(b, time.Now())
			}
			began := time.Now()
			for i := range batches {
				batches[i] = mustNext(t, d)
			}
			if wait := time.Since(began); wait > retryMax {
				t.Fatalf("a round of retries took %v", wait)
			}
		}
		began := time.Now()
		for _, b := range batches {
			d.retry(b, time.Now())
		}
		for range batches {
			d.acknowledge(mustNext(t, d))
		}
		if took := time.Since(began); took > retryMax {
			t.Errorf("all is delivered %v after the output's return, want %v at most", took, retryMax)
		}
		if queued, flying := d.size(); queued != 0 || flying != 0 {
			t.Errorf("%d bytes queued and %d handed out are left", queued, flying)
		}
	})
}

func TestPoisonedBatchDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := testDelivery(1e6, 1e6, 10)
		mustPut(t, d, testRead(1))
		poison := mustNext(t, d)
		d.retry(poison, time.Now())
		tries := 0
		for began := time.Now(); time.Since(began) < 10*time.Second; {
			mustPut(t, d, testRead(1))
			b := mustNext(t, d)
			if b == poison {
				tries++
				d.retry(b, time.Now())
				continue
			}
			d.acknowledge(b)
			time.Sleep(time.Millisecond)
		}
		if tries == 0 || tries > int(10*time.Second/retryFirst) {
			t.Errorf("%d tries of a batch that always fails, in ten seconds", tries)
		}
	})
}

func TestIdleOnlyWhenNothingIsLeftToWaitFor(t *testing.T) {
	d, _ := testDelivery(1e6, 1e6, 10)
	idle := func() bool {
		_, wake, err := d.take(time.Now())
		return errors.Is(err, ErrIdle) && wake == 0
	}
	if !idle() {
		t.Error("at first: not idle")
	}
	d.connected(1)
	if idle() {
		t.Error("with a connection: idle")
	}
	mustPut(t, d, testRead(1))
	d.connected(-1)
	b := mustNext(t, d)
	if idle() {
		t.Error("with an unacknowledged batch: idle")
	}
	d.acknowledge(b)
	if !idle() {
		t.Error("with nothing left: not idle")
	}
}

// Whoever settles reads looks at their claim, and keeps a lock of its own under
// which it may look at the queue.
func TestReadsAreSettledOnceAfterTheirClaimAndWithoutTheLock(t *testing.T) {
	for _, want := range []fate{acknowledged, rejected} {
		d, _ := testDelivery(1e6, 1e6, 10)
		var settled []*Read
		first, second := testRead(1), testRead(2)
		for _, r := range []*Read{first, second} {
			r.settle = func(settling *Read, f fate) {
				settled = append(settled, settling)
				if f != want {
					t.Errorf("fate %d, want %d", f, want)
				}
				if settling.claim.Rejected() != (want == rejected) || settling.claim.Acknowledged() != (want == acknowledged) {
					t.Error("the claim does not say so yet")
				}
				if !d.mu.TryLock() {
					t.Fatal("the queue is locked")
				}
				d.mu.Unlock()
				if _, flying := d.size(); flying == 0 {
					t.Error("there is room for others before all is settled")
				}
			}
		}
		mustPut(t, d, first, second)
		b := mustNext(t, d)
		d.retry(b, time.Now().Add(-time.Hour))
		if b = mustNext(t, d); len(settled) != 0 {
			t.Error("a retry settles")
		}
		if want == acknowledged {
			d.acknowledge(b)
		} else {
			d.drop(b)
		}
		if len(settled) != 2 || settled[0] != first || settled[1] != second {
			t.Errorf("%d reads are settled, want two in their order", len(settled))
		}
		if b.Claim.Rejected() != (want == rejected) {
			t.Errorf("fate %d: the batch is rejected for good: %v", want, b.Claim.Rejected())
		}
	}
}

func TestReadyReportsEachFailureOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := testDelivery(1e6, 1e6, 10)
		failure := errors.New("no route")
		d.failed(failure)
		if err := d.ready(t.Context()); !errors.Is(err, failure) {
			t.Errorf("got %v, want the failure", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := d.ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want to wait for the next attempt", err)
		}
		go func() {
			time.Sleep(time.Minute)
			d.connected(1)
		}()
		if err := d.ready(t.Context()); err != nil {
			t.Errorf("once connected: %v", err)
		}
	})
}
