package account

import (
	"math"
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// Gaps returns the gaps at now that no connection may still prove to be none,
// oldest first. While no connection is up it returns none: the newest gap is not
// known before the next opening.
func (a *Account) Gaps(now time.Time) []coverage.Interval {
	if a.ledger == nil || !a.Up() {
		return nil
	}
	return a.doubtful(now, anyMark)
}

// Backfill is the number of minutes to ask for at a connect at now that may take
// as long as connecting; zero when nothing is missing. A connection within its
// heartbeat time counts as alive for this decision, though only its next proof
// will tell.
func (a *Account) Backfill(now time.Time, connecting time.Duration) (minutes int) {
	if a.ledger == nil {
		return 0
	}
	gaps := a.doubtful(now, func(w *Watermark) bool { return now.Sub(w.heard) <= a.cfg.Heartbeat })
	// What a recovery closes is not asked for as well.
	reach := MaxBackfill
	if a.cfg.Recovers {
		reach -= a.margin()
	}
	gaps = slices.DeleteFunc(gaps, func(gap coverage.Interval) bool { return !gap.To.After(now.Add(-reach)) })
	if len(gaps) == 0 {
		return 0
	}
	if a.cfg.AlwaysMost {
		return int(MaxBackfill / time.Minute)
	}
	from := gaps[0].From
	if a.edges.has(from) {
		from = a.before(edge{Time: from}).From // not widened yet
	}
	missing := min(now.Sub(from)+connecting, MaxBackfill)
	return int(math.Ceil(missing.Minutes()))
}

// doubtful returns the gaps up to a moment that none of those connections covers
// if it is alive, oldest first.
func (a *Account) doubtful(until time.Time, alive func(*Watermark) bool) []coverage.Interval {
	for _, w := range a.marks {
		if from := w.from(); alive(w) && from.Before(until) {
			until = from
		}
	}
	return a.ledger.Open(until)
}

func anyMark(*Watermark) bool { return true }

// Status is a summary of an account at a moment.
type Status struct {
	At             time.Time
	Gaps           int                      // periods that were received by nobody, and are not lost
	Open           time.Duration            // how long they are together
	Lost           map[string]time.Duration // in total, by reason
	Searched       time.Duration            // in total
	DeliveredUntil time.Time                // delivered or lost without a break since the start
}

// Status sums the account up at now.
func (a *Account) Status(now time.Time) Status {
	if a.ledger == nil {
		return Status{At: now, DeliveredUntil: now}
	}
	s := Status{At: now, Lost: a.ledger.LostTime(), Searched: a.ledger.SearchedTime(), DeliveredUntil: a.ledger.DeliveredUntil(now)}
	// What has come since the last heartbeat is not missing: it is not proven
	// yet.
	for _, gap := range a.doubtful(now, (*Watermark).Settled) {
		s.Gaps++
		s.Open += gap.Duration()
	}
	return s
}

// Remembers is how far back the window remembers at now; forgets is false as
// long as that is all that it was ever shown.
func (a *Account) Remembers(now time.Time) (reach time.Duration, forgets bool) {
	return a.window.Reach(now)
}
