package coverage

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestLedgerTellsReceivedOpenAndLostApart(t *testing.T) {
	l := NewLedger(at(10))
	if got, want := l.Open(at(20)), []Interval{span(10, 20)}; !slices.Equal(got, want) {
		t.Errorf("open at first: %v, want %v", got, want)
	}
	l.Received(span(10, 30))
	l.Received(span(50, 60))
	if got, want := l.Open(at(60)), []Interval{span(30, 50)}; !slices.Equal(got, want) {
		t.Errorf("open: %v, want %v", got, want)
	}
	if got, want := l.Lost(span(0, 40), "too old"), []Interval{span(30, 40)}; !slices.Equal(got, want) {
		t.Errorf("newly lost: %v, want %v", got, want)
	}
	if got := l.Lost(span(0, 40), "too old"); len(got) != 0 {
		t.Errorf("lost twice: %v", got)
	}
	if got, want := l.Open(at(60)), []Interval{span(40, 50)}; !slices.Equal(got, want) {
		t.Errorf("open after the loss: %v, want %v", got, want)
	}
	if got, want := l.LostTime()["too old"], 10*time.Second; got != want {
		t.Errorf("lost time %v, want %v", got, want)
	}
}

func TestReopenedPeriodIsOpenButNeverLostTwice(t *testing.T) {
	l := NewLedger(at(0))
	l.Received(span(0, 10))
	l.Lost(span(10, 20), "gone")
	l.Received(span(20, 30))
	l.Uncover(span(5, 30))
	if got, want := l.Open(at(40)), []Interval{span(5, 10), span(20, 40)}; !slices.Equal(got, want) {
		t.Errorf("open: %v, want %v", got, want)
	}
	if got := l.Lost(span(10, 20), "gone"); len(got) != 0 {
		t.Errorf("lost again: %v", got)
	}
}

func TestDeliveredUntilStopsAtTheFirstHole(t *testing.T) {
	l := NewLedger(at(0))
	if got := l.DeliveredUntil(at(9)); !got.Equal(at(0)) {
		t.Errorf("with nothing delivered: %v", got)
	}
	l.Deliver(span(0, 10))
	l.Deliver(span(20, 30))
	if got := l.DeliveredUntil(at(30)); !got.Equal(at(10)) {
		t.Errorf("before the hole is lost: %v, want %v", got, at(10))
	}
	l.Lost(span(10, 20), "gone")
	if got := l.DeliveredUntil(at(30)); !got.Equal(at(30)) {
		t.Errorf("after: %v, want %v", got, at(30))
	}
}

// Every moment since the start is received, open or lost, and in one of the
// three only.
func TestLedgerAccountsForEveryMoment(t *testing.T) {
	const end = 60
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		l := NewLedger(at(5))
		for range 40 {
			i := span(r.IntN(end), r.IntN(end))
			switch r.IntN(3) {
			case 0:
				l.Received(i)
			case 1:
				l.Lost(i, "a reason")
			case 2:
				l.Uncover(i.Intersect(span(5, end)))
			}
		}
		var lost Set
		for _, loss := range l.losses {
			if len(lost.Missing(loss.Interval)) != 1 || !slices.Equal(lost.Missing(loss.Interval), []Interval{loss.Interval}) {
				t.Fatalf("seed %d: %v is lost twice", seed, loss.Interval)
			}
			lost.Add(loss.Interval)
		}
		if l.LostTime()["a reason"] != duration(&lost) {
			t.Fatalf("seed %d: lost time %v, lost periods %v", seed, l.LostTime(), duration(&lost))
		}
		var open Set
		for _, i := range l.Open(at(end)) {
			open.Add(i)
		}
		for s := 5; s < end; s++ {
			moment := span(s, s+1)
			n := 0
			for _, in := range []bool{open.Covers(moment), lost.Covers(moment), l.settled.Covers(moment) && !lost.Covers(moment)} {
				if in {
					n++
				}
			}
			if n != 1 {
				t.Fatalf("seed %d: second %d is counted %d times", seed, s, n)
			}
		}
	}
}

func TestLossesAreBounded(t *testing.T) {
	l := NewLedger(at(0))
	for n := range MaxEntries + 10 {
		l.Lost(span(2*n, 2*n+1), "gone")
	}
	if got := len(l.losses); got != MaxEntries {
		t.Errorf("%d losses remembered, want %d", got, MaxEntries)
	}
	if got, want := l.LostTime()["gone"], (MaxEntries+10)*time.Second; got != want {
		t.Errorf("lost time %v, want %v", got, want)
	}
}
