package coverage

import (
	"slices"
	"sort"
	"time"
)

// Set is a set of moments, kept as sorted intervals that neither overlap nor
// touch. The zero value is empty and ready for use.
type Set struct {
	spans []Interval
}

// Intervals returns a copy of the set's intervals, oldest first.
func (s *Set) Intervals() []Interval { return slices.Clone(s.spans) }

// End is the end of the newest interval, and the zero time of an empty set.
func (s *Set) End() time.Time {
	if len(s.spans) == 0 {
		return time.Time{}
	}
	return s.spans[len(s.spans)-1].To
}

// Add puts every moment of i into the set.
func (s *Set) Add(i Interval) {
	if i.Empty() {
		return
	}
	// Coverage grows at its newest end, once a read: that case allocates and
	// moves nothing.
	if n := len(s.spans); n > 0 {
		last := &s.spans[n-1]
		if !i.From.Before(last.From) && !i.From.After(last.To) {
			if i.To.After(last.To) {
				last.To = i.To
			}
			return
		}
	}
	first, end := s.touching(i)
	for _, o := range s.spans[first:end] {
		if o.From.Before(i.From) {
			i.From = o.From
		}
		if o.To.After(i.To) {
			i.To = o.To
		}
	}
	s.spans = slices.Replace(s.spans, first, end, i)
}

// Remove takes every moment of i out of the set.
func (s *Set) Remove(i Interval) {
	if i.Empty() {
		return
	}
	first, end := s.touching(i)
	var kept []Interval
	for _, o := range s.spans[first:end] {
		if before := (Interval{o.From, minTime(o.To, i.From)}); !before.Empty() {
			kept = append(kept, before)
		}
		if after := (Interval{maxTime(o.From, i.To), o.To}); !after.Empty() {
			kept = append(kept, after)
		}
	}
	s.spans = slices.Replace(s.spans, first, end, kept...)
}

// Missing returns the parts of i that are not in the set, oldest first.
func (s *Set) Missing(i Interval) []Interval {
	var missing []Interval
	from := i.From
	first, end := s.touching(i)
	for _, o := range s.spans[first:end] {
		if gap := (Interval{from, minTime(o.From, i.To)}); !gap.Empty() {
			missing = append(missing, gap)
		}
		from = maxTime(from, o.To)
	}
	if rest := (Interval{from, i.To}); !rest.Empty() {
		missing = append(missing, rest)
	}
	return missing
}

// Within returns the parts of i that are in the set, oldest first.
func (s *Set) Within(i Interval) []Interval {
	var parts []Interval
	first, end := s.touching(i)
	for _, o := range s.spans[first:end] {
		if part := o.Intersect(i); !part.Empty() {
			parts = append(parts, part)
		}
	}
	return parts
}

// Covers reports whether every moment of i is in the set.
func (s *Set) Covers(i Interval) bool { return len(s.Missing(i)) == 0 }

// touching returns the range [first, end) of spans that overlap or touch i.
func (s *Set) touching(i Interval) (first, end int) {
	first = sort.Search(len(s.spans), func(n int) bool { return !s.spans[n].To.Before(i.From) })
	end = first + sort.Search(len(s.spans)-first, func(n int) bool { return s.spans[first+n].From.After(i.To) })
	return first, end
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
