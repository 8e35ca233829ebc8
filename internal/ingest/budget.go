package ingest

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// budget counts the connects to one endpoint with one credential, for X
// refuses those beyond a number in a period. X's headers decide where they
// came, else the catalogue's number over a sliding period.
//
// It is a state machine without a clock, and not safe for concurrent use.
type budget struct {
	rate xapi.Rate
	sent []time.Time // within the last rate.Per, oldest first

	told      bool // X's headers came, and reset is still ahead
	remaining int
	reset     time.Time
}

func newBudget(rate xapi.Rate) *budget { return &budget{rate: rate} }

// left is the number of connects that may be sent at now.
func (b *budget) left(now time.Time) int {
	b.forget(now)
	if b.told {
		return b.remaining
	}
	return b.rate.Count - len(b.sent)
}

// grows is the next time after now at which more connects may be sent; zero
// when nothing was spent.
func (b *budget) grows(now time.Time) time.Time {
	b.forget(now)
	switch {
	case b.told:
		return b.reset
	case len(b.sent) > 0:
		return b.sent[0].Add(b.rate.Per)
	}
	return time.Time{}
}

// spent records a connect whose request reached X at now, and what X said of
// the limit in its answer.
func (b *budget) spent(now time.Time, limits xapi.Limits) {
	b.forget(now)
	b.sent = append(b.sent, now)
	switch {
	case limits.Known && limits.Reset.After(now):
		left := limits.Remaining
		if b.told && b.reset.Equal(limits.Reset) {
			left = min(left, b.remaining) // answers may overtake each other
		}
		b.told, b.remaining, b.reset = true, left, limits.Reset
	case b.told:
		b.remaining--
	}
}

func (b *budget) forget(now time.Time) {
	if b.told && !b.reset.After(now) {
		b.told = false
		b.sent = b.sent[:0] // X has begun a new period
	}
	for len(b.sent) > 0 && !b.sent[0].Add(b.rate.Per).After(now) {
		b.sent = b.sent[1:]
	}
}

// pause is how long the next request has to wait at now, where any two must
// lie that far apart.
func (b *budget) pause(now time.Time, apart time.Duration) time.Duration {
	wait := time.Duration(0)
	if b.left(now) <= 0 {
		wait = b.grows(now).Sub(now)
	}
	if n := len(b.sent); n > 0 {
		wait = max(wait, b.sent[n-1].Add(apart).Sub(now))
	}
	return wait
}
