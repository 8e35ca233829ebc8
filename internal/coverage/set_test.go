package coverage

import (
	"math/rand/v2"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(second int) time.Time { return epoch.Add(time.Duration(second) * time.Second) }

func span(from, to int) Interval { return Interval{at(from), at(to)} }

// model is the obvious set of seconds that Set must agree with.
type model [64]bool

func (m *model) fill(i Interval, v bool) {
	for s := range m {
		if !at(s).Before(i.From) && at(s).Before(i.To) {
			m[s] = v
		}
	}
}

func TestSetAgreesWithSetOfSeconds(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		var s Set
		var m model
		for range 60 {
			i := span(r.IntN(len(m)), r.IntN(len(m)))
			if r.IntN(3) == 0 {
				s.Remove(i)
				m.fill(i, false)
			} else {
				s.Add(i)
				m.fill(i, true)
			}
			check(t, seed, &s, &m)
		}
	}
}

func check(t *testing.T, seed uint64, s *Set, m *model) {
	t.Helper()
	spans := s.Intervals()
	for n, i := range spans {
		if i.Empty() {
			t.Fatalf("seed %d: empty interval %v", seed, i)
		}
		if n > 0 && !spans[n-1].To.Before(i.From) {
			t.Fatalf("seed %d: %v and %v overlap, touch or are out of order", seed, spans[n-1], i)
		}
	}
	var total time.Duration
	for second, in := range m {
		if got := s.Covers(span(second, second+1)); got != in {
			t.Fatalf("seed %d: second %d covered: %v, want %v, in %v", seed, second, got, in, spans)
		}
		if in {
			total += time.Second
		}
	}
	if got := duration(s); got != total {
		t.Fatalf("seed %d: duration %v, want %v", seed, got, total)
	}
	// What is missing and what is there are together the whole, once.
	whole := span(0, len(m))
	var union Set
	for _, i := range s.Missing(whole) {
		if len(union.Missing(i)) != 1 {
			t.Fatalf("seed %d: missing parts overlap", seed)
		}
		union.Add(i)
	}
	for _, i := range spans {
		union.Add(i)
	}
	if len(union.Intervals()) != 1 || !union.Covers(whole) {
		t.Fatalf("seed %d: missing and present make %v", seed, union.Intervals())
	}
}

func duration(s *Set) (d time.Duration) {
	for _, i := range s.Intervals() {
		d += i.Duration()
	}
	return d
}

func TestIntersect(t *testing.T) {
	for _, c := range []struct{ a, b, want Interval }{
		{span(0, 10), span(5, 15), span(5, 10)},
		{span(0, 10), span(2, 3), span(2, 3)},
		{span(0, 10), span(0, 10), span(0, 10)},
	} {
		if got := c.a.Intersect(c.b); got != c.want {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if got := span(0, 5).Intersect(span(5, 9)); !got.Empty() || got.Duration() != 0 {
		t.Errorf("periods that only touch intersect in %v", got)
	}
}
