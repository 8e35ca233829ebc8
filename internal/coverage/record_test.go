package coverage

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// whatever is a ledger to which many things have happened.
func whatever(seed uint64, end int) *Ledger {
	r := rand.New(rand.NewPCG(seed, 3))
	l := NewLedger(at(5))
	for range 40 {
		i := span(r.IntN(end), r.IntN(end))
		switch r.IntN(6) {
		case 0, 1:
			l.Received(i)
			l.Deliver(i)
		case 2:
			l.Received(i)
		case 3:
			l.Lost(i, []string{"a", "b"}[r.IntN(2)])
		case 4:
			l.Searched(Search{Interval: i, Left: [][]string{nil, {"rule 1: bio:"}}[r.IntN(2)]})
		case 5:
			l.Uncover(i.Intersect(span(5, end)))
		}
	}
	l.Rejected(at(7), at(9), 3)
	return l
}

// A ledger that was written down and read again owes what the first had not
// delivered, and keeps the rest.
func TestRecordKeepsWhatIsDone(t *testing.T) {
	const end = 60
	for seed := range uint64(300) {
		l := whatever(seed, end)
		b, err := json.Marshal(l.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		var r Snapshot
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		again := r.Ledger()
		if !reflect.DeepEqual(again.Snapshot(), l.Snapshot()) {
			t.Fatalf("seed %d: %+v, and before %+v", seed, again.Snapshot(), l.Snapshot())
		}
		for s := 5; s < end; s++ {
			moment := span(s, s+1)
			owed := !l.done.Covers(moment)
			if again.IsOpen(moment.From) != owed {
				t.Fatalf("seed %d: second %d is owed %v, and after the restart %v", seed, s, owed, again.IsOpen(moment.From))
			}
			if slices.ContainsFunc(r.Gaps(at(end)), func(i Interval) bool { return !i.Intersect(moment).Empty() }) != owed {
				t.Fatalf("seed %d: second %d is no gap of the record, or one too much", seed, s)
			}
		}
	}
}

func TestRecordTellsCoveredFromSearchedAndLost(t *testing.T) {
	l := NewLedger(at(0))
	l.Received(span(0, 10))
	l.Deliver(span(0, 10))
	l.Lost(span(10, 20), "gone")
	l.Received(span(20, 30))
	l.Searched(Search{Interval: span(20, 25)})
	l.Searched(Search{Interval: span(25, 30)})
	l.Received(span(30, 40))
	l.Deliver(span(30, 40))
	l.Received(span(40, 50)) // not acknowledged
	r := l.Snapshot()
	if got, want := r.Covered(), []Interval{span(0, 10), span(30, 40)}; !slices.Equal(got, want) {
		t.Errorf("covered %v, want %v", got, want)
	}
	if got, want := r.Gaps(at(60)), []Interval{span(40, 60)}; !slices.Equal(got, want) {
		t.Errorf("gaps %v, want %v", got, want)
	}
	if len(r.Searches) != 1 || r.Searches[0].Interval != span(20, 30) || l.SearchedTime() != r.Searches[0].Duration() {
		t.Errorf("searches %v", r.Searches)
	}
	if got, want := r.End(), at(40); !got.Equal(want) {
		t.Errorf("end %v, want %v", got, want)
	}
}

func TestLossesThatFollowEachOtherAreOne(t *testing.T) {
	l := NewLedger(at(0))
	for s := range 10 {
		l.Lost(span(s, s+1), "gone")
	}
	l.Lost(span(10, 11), "other")
	if len(l.losses) != 2 || l.losses[0].Interval != span(0, 10) {
		t.Errorf("losses %v", l.losses)
	}
}

func TestReopeningReachesBackOverTheStart(t *testing.T) {
	l := NewLedger(at(10))
	l.Received(span(10, 20))
	l.Deliver(span(10, 20))
	l.Uncover(span(5, 15))
	if got, want := l.Open(at(20)), []Interval{span(5, 15)}; !slices.Equal(got, want) {
		t.Errorf("open %v, want %v", got, want)
	}
	if got, want := l.Snapshot().Gaps(at(20)), []Interval{span(5, 15)}; !slices.Equal(got, want) {
		t.Errorf("owed after a restart %v, want %v", got, want)
	}
	l.Uncover(span(0, 2))
	if got, want := l.Open(at(20)), []Interval{span(5, 15)}; !slices.Equal(got, want) {
		t.Errorf("what lies before the start is owed: open %v", got)
	}
}
