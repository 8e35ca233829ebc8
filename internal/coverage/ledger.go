package coverage

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// MaxEntries bounds the losses, searches and rejections that a ledger
// remembers one by one, each. Beyond it the oldest is forgotten as an entry;
// the seconds of a loss stay in the totals.
const MaxEntries = 1000

// Loss is a period of which nothing more will come.
type Loss struct {
	Interval
	Reason string `json:"reason"`
}

// Search is a period that was filled by searching, as well as that can be
// done: search matches some things otherwise than the stream does.
type Search struct {
	Interval
	// Left says which rules were not searched for, and why.
	Left []string `json:"left,omitempty"`
}

// Rejection is events that the output refused for good. They were delivered as
// far as coverage goes: nothing will bring them again.
type Rejection struct {
	Oldest time.Time `json:"oldest"` // creation
	Newest time.Time `json:"newest"`
	Events int       `json:"events"`
}

// Ledger is the account of one partition: every moment since its start is
// received, open (nothing received yet, and a repair may still bring it) or
// lost with a reason. What was received is covered, or searched, once the
// output has acknowledged it.
//
// A Ledger is not safe for concurrent use.
type Ledger struct {
	start    time.Time
	settled  Set // received or lost: what no repair is asked for
	done     Set // covered, searched or lost
	losses   []Loss
	lostTime map[string]time.Duration
	searches []Search
	rejected []Rejection
}

// NewLedger opens the account at start: nothing before it is owed.
func NewLedger(start time.Time) *Ledger {
	return &Ledger{start: start, lostTime: map[string]time.Duration{}}
}

// Received records that all of i has reached this process.
func (l *Ledger) Received(i Interval) { l.settled.Add(i) }

// Uncover takes i out of what was received and delivered: events of that period
// may still have been on their way. What is lost or searched stays so. Where i
// reaches back over the start, the account begins with it.
func (l *Ledger) Uncover(i Interval) {
	if i.From.Before(l.start) && !i.To.Before(l.start) {
		l.start = i.From
	}
	l.settled.Remove(i)
	l.done.Remove(i)
	for _, loss := range l.losses {
		l.settled.Add(loss.Intersect(i))
		l.done.Add(loss.Intersect(i))
	}
	for _, s := range l.searches {
		l.settled.Add(s.Intersect(i))
		l.done.Add(s.Intersect(i))
	}
}

// Deliver records that everything of i has been acknowledged by the output.
func (l *Ledger) Deliver(i Interval) { l.done.Add(i) }

// NotOwed returns what of a period is covered, searched or lost, or lies before
// the start, oldest first.
func (l *Ledger) NotOwed(i Interval) (parts []Interval) {
	if before := i.Intersect(Interval{i.From, l.start}); !before.Empty() {
		parts = append(parts, before)
	}
	return append(parts, l.done.Within(i)...)
}

// Searched records that what a search found of a period has been acknowledged
// by the output.
func (l *Ledger) Searched(s Search) {
	if s.Empty() {
		return
	}
	l.settled.Add(s.Interval)
	l.done.Add(s.Interval)
	if n := len(l.searches); n > 0 {
		if last := &l.searches[n-1]; slices.Equal(last.Left, s.Left) && !s.From.After(last.To) && !s.To.Before(last.From) {
			last.Interval = last.Hull(s.Interval)
			return
		}
	}
	l.searches = latest(append(l.searches, s))
}

// Lost records the parts of i that are neither received nor lost already as
// lost for reason, and returns them.
func (l *Ledger) Lost(i Interval, reason string) []Interval {
	if i.From.Before(l.start) {
		i.From = l.start
	}
	parts := l.settled.Missing(i)
	for _, p := range parts {
		l.settled.Add(p)
		l.done.Add(p)
		l.lostTime[reason] += p.Duration()
		if n := len(l.losses); n > 0 && l.losses[n-1].Reason == reason && l.losses[n-1].To.Equal(p.From) {
			l.losses[n-1].To = p.To
			continue
		}
		l.losses = latest(append(l.losses, Loss{p, reason}))
	}
	return parts
}

// latest keeps at most MaxEntries entries.
func latest[T any](entries []T) []T {
	return slices.Delete(entries, 0, max(0, len(entries)-MaxEntries))
}

// Rejected records events that the output refused for good, created from
// oldest to newest. What overlaps the entry before joins it.
func (l *Ledger) Rejected(oldest, newest time.Time, events int) {
	if n := len(l.rejected); n > 0 {
		if last := &l.rejected[n-1]; !oldest.After(last.Newest) && !newest.Before(last.Oldest) {
			last.Oldest, last.Newest = minTime(last.Oldest, oldest), maxTime(last.Newest, newest)
			last.Events += events
			return
		}
	}
	l.rejected = latest(append(l.rejected, Rejection{oldest, newest, events}))
}

// IsOpen reports whether that moment is neither received nor lost.
func (l *Ledger) IsOpen(at time.Time) bool {
	return !l.settled.Covers(Interval{at, at.Add(1)})
}

// IsUndelivered reports whether that moment is neither covered, searched nor
// lost.
func (l *Ledger) IsUndelivered(at time.Time) bool {
	return !l.done.Covers(Interval{at, at.Add(1)})
}

// IsGone reports whether that moment is lost, or was searched: nothing brings
// it from the stream any more.
func (l *Ledger) IsGone(at time.Time) bool {
	return slices.ContainsFunc(l.losses, func(loss Loss) bool { return loss.Holds(at) }) ||
		slices.ContainsFunc(l.searches, func(s Search) bool { return s.Holds(at) })
}

// Open returns the gaps up to now: periods that are neither received nor lost,
// oldest first.
func (l *Ledger) Open(now time.Time) []Interval {
	return l.settled.Missing(Interval{l.start, now})
}

// DeliveredUntil is the moment up to which everything is covered, searched or
// lost, without a break since the start.
func (l *Ledger) DeliveredUntil(now time.Time) time.Time {
	if missing := l.done.Missing(Interval{l.start, now}); len(missing) > 0 {
		return missing[0].From
	}
	return now
}

// LostTime returns the total time lost by reason.
func (l *Ledger) LostTime() map[string]time.Duration { return maps.Clone(l.lostTime) }

// SearchedTime returns the total of the periods that were searched and are
// remembered.
func (l *Ledger) SearchedTime() (total time.Duration) {
	for _, s := range l.searches {
		total += s.Duration()
	}
	return total
}

// Check returns what is wrong in the ledger at now, by rules that hold at every
// moment; nil: nothing.
func (l *Ledger) Check(now time.Time) error {
	if end := maxTime(l.done.End(), l.settled.End()); end.After(now) {
		return fmt.Errorf("covered until %v, which is after now, %v", end, now)
	}
	for _, i := range l.done.Intervals() {
		if missing := l.settled.Missing(i); len(missing) > 0 {
			return fmt.Errorf("%v is delivered, and was not received", missing[0])
		}
	}
	if n := max(len(l.losses), len(l.searches), len(l.rejected)); n > MaxEntries {
		return fmt.Errorf("%d entries, and %d may be", n, MaxEntries)
	}
	return nil
}
