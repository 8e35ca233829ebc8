// Package coverage keeps the account of what a partition of a stream has
// received, delivered and lost, in intervals of time.
//
// It is arithmetic on intervals and nothing else: it reads no clock, starts no
// goroutine, and knows neither X nor connections nor where its times come from.
package coverage

import (
	"fmt"
	"time"
)

// Interval is the half-open period [From, To). It is empty unless From is
// before To.
type Interval struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Empty reports whether no moment lies in i.
func (i Interval) Empty() bool { return !i.From.Before(i.To) }

// Holds reports whether a moment lies in i.
func (i Interval) Holds(at time.Time) bool { return !at.Before(i.From) && at.Before(i.To) }

// Duration is the length of i, and zero when i is empty.
func (i Interval) Duration() time.Duration {
	if i.Empty() {
		return 0
	}
	return i.To.Sub(i.From)
}

// Intersect is the part of i that also lies in o; it may be empty.
func (i Interval) Intersect(o Interval) Interval {
	if o.From.After(i.From) {
		i.From = o.From
	}
	if o.To.Before(i.To) {
		i.To = o.To
	}
	return i
}

// Hull is the shortest interval that holds all of i and o.
func (i Interval) Hull(o Interval) Interval {
	return Interval{minTime(i.From, o.From), maxTime(i.To, o.To)}
}

// Without returns the parts of i that are not in o, oldest first.
func (i Interval) Without(o Interval) (parts []Interval) {
	cut := i.Intersect(o)
	if cut.Empty() {
		return []Interval{i}
	}
	for _, part := range []Interval{{i.From, cut.From}, {cut.To, i.To}} {
		if !part.Empty() {
			parts = append(parts, part)
		}
	}
	return parts
}

// String shows i as two UTC times with milliseconds.
func (i Interval) String() string {
	const layout = "2006-01-02T15:04:05.000Z"
	return fmt.Sprintf("%s to %s", i.From.UTC().Format(layout), i.To.UTC().Format(layout))
}
