package admission

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Budget counts the requests to one endpoint with one credential, for X refuses
// those beyond a number in a period. X's headers decide where they came, else
// the catalogue's number over a sliding period. It is made by [NewBudget], and
// not safe for concurrent use.
type Budget struct {
	rate xapi.Rate
	sent []time.Time // within the last rate.Per, oldest first

	stated    bool // X's headers came, and reset is still ahead
	remaining int
	reset     time.Time
}

// NewBudget makes a budget of which nothing is spent.
func NewBudget(rate xapi.Rate) *Budget { return &Budget{rate: rate} }

// left is the number of requests that may be sent at now.
func (b *Budget) left(now time.Time) int {
	b.forget(now)
	if b.stated {
		return b.remaining
	}
	return b.rate.Count - len(b.sent)
}

// grows is the next time after now at which more requests may be sent; zero
// when nothing was spent.
func (b *Budget) grows(now time.Time) time.Time {
	b.forget(now)
	switch {
	case b.stated:
		return b.reset
	case len(b.sent) > 0:
		return b.sent[0].Add(b.rate.Per)
	}
	return time.Time{}
}

// Sent records a request that reached X at now, and what X said of the limit in
// its answer.
func (b *Budget) Sent(now time.Time, limits xapi.Limits) {
	b.forget(now)
	b.sent = append(b.sent, now)
	switch {
	case limits.Known && limits.Reset.After(now):
		left := limits.Remaining
		if b.stated && b.reset.Equal(limits.Reset) {
			left = min(left, b.remaining) // answers may overtake each other
		}
		b.stated, b.remaining, b.reset = true, left, limits.Reset
	case b.stated:
		b.remaining--
	}
}

func (b *Budget) forget(now time.Time) {
	if b.stated && !b.reset.After(now) {
		b.stated = false
		b.sent = b.sent[:0] // X has begun a new period
	}
	for len(b.sent) > 0 && !b.sent[0].Add(b.rate.Per).After(now) {
		b.sent = b.sent[1:]
	}
}

// Pause is how long the next request has to wait at now, where any two must lie
// that far apart; 0 or less: it need not.
func (b *Budget) Pause(now time.Time, apart time.Duration) time.Duration {
	wait := time.Duration(0)
	if b.left(now) <= 0 {
		wait = b.grows(now).Sub(now)
	}
	if n := len(b.sent); n > 0 {
		wait = max(wait, b.sent[n-1].Add(apart).Sub(now))
	}
	return wait
}
