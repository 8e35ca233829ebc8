package coverage

import (
	"maps"
	"slices"
	"time"
)

// MaxLosses bounds the losses, and the rejections, that a ledger remembers one
// by one. Beyond it the oldest is forgotten as an entry; the seconds of a loss
// stay in the totals.
const MaxLosses = 1000

// Loss is a period of which nothing more will come.
type Loss struct {
	Interval
	Reason string
}

// Rejection is events that the output refused for good. They were delivered as
// far as coverage goes: nothing will bring them again.
type Rejection struct {
	Oldest, Newest time.Time // creation
	Events         int
}

// Ledger is the account of one partition: every moment since its start is
// received, open (nothing received yet, and a repair may still bring it) or
// lost with a reason. What was received becomes delivered once the output has
// acknowledged it.
//
// A Ledger is not safe for concurrent use.
type Ledger struct {
	start     time.Time
	received  Set
	delivered Set
	settled   Set // received or lost: what no repair is asked for
	losses    []Loss
	lostTime  map[string]time.Duration
	rejected  []Rejection
}

// NewLedger opens the account at start: nothing before it is owed.
func NewLedger(start time.Time) *Ledger {
	return &Ledger{start: start, lostTime: map[string]time.Duration{}}
}

// Start is the first moment that the ledger accounts for.
func (l *Ledger) Start() time.Time { return l.start }

// Received records that all of i has reached this process.
func (l *Ledger) Received(i Interval) {
	l.received.Add(i)
	l.settled.Add(i)
}

// Reopen takes i out of what was received: events of that period may still
// have been on their way. What is lost stays lost.
func (l *Ledger) Reopen(i Interval) {
	if i.From.Before(l.start) {
		i.From = l.start
	}
	l.received.Remove(i)
	l.settled.Remove(i)
	for _, loss := range l.losses {
		l.settled.Add(loss.Interval.Intersect(i))
	}
}

// Delivered records that everything of i has been acknowledged by the output.
func (l *Ledger) Delivered(i Interval) { l.delivered.Add(i) }

// Lost records the parts of i that are neither received nor lost already as
// lost for reason, and returns them.
func (l *Ledger) Lost(i Interval, reason string) []Interval {
	if i.From.Before(l.start) {
		i.From = l.start
	}
	parts := l.settled.Missing(i)
	for _, p := range parts {
		l.settled.Add(p)
		l.lostTime[reason] += p.Duration()
		l.losses = append(l.losses, Loss{p, reason})
	}
	l.losses = latest(l.losses)
	return parts
}

// latest keeps at most MaxLosses entries.
func latest[T any](entries []T) []T {
	return slices.Delete(entries, 0, max(0, len(entries)-MaxLosses))
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

// Rejections returns the remembered rejections in the order in which they were
// recorded.
func (l *Ledger) Rejections() []Rejection { return slices.Clone(l.rejected) }

// IsOpen reports whether that moment is neither received nor lost.
func (l *Ledger) IsOpen(at time.Time) bool {
	return !l.settled.Covers(Interval{at, at.Add(1)})
}

// Open returns the gaps up to now: periods that are neither received nor lost,
// oldest first.
func (l *Ledger) Open(now time.Time) []Interval {
	return l.settled.Missing(Interval{l.start, now})
}

// ReceivedUntil is the end of the newest period received, and the start of the
// ledger when nothing has been.
func (l *Ledger) ReceivedUntil() time.Time { return maxTime(l.start, l.received.End()) }

// DeliveredUntil is the moment up to which everything is either delivered or
// lost, without a break since the start.
func (l *Ledger) DeliveredUntil(now time.Time) time.Time {
	done := l.delivered
	done.spans = l.delivered.Intervals()
	for _, loss := range l.losses {
		done.Add(loss.Interval)
	}
	if missing := done.Missing(Interval{l.start, now}); len(missing) > 0 {
		return missing[0].From
	}
	return now
}

// Losses returns the remembered losses in the order in which they were
// recorded.
func (l *Ledger) Losses() []Loss { return slices.Clone(l.losses) }

// LostTime returns the total time lost by reason.
func (l *Ledger) LostTime() map[string]time.Duration { return maps.Clone(l.lostTime) }
