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

// next is the earliest time, not before now, at which a connect may be sent.
func (b *budget) next(now time.Time) time.Time {
	b.forget(now)
	if b.told {
		if b.remaining > 0 {
			return now
		}
		return b.reset
	}
	if len(b.sent) < b.rate.Count {
		return now
	}
	return b.sent[len(b.sent)-b.rate.Count].Add(b.rate.Per)
}

// spent records a connect whose request reached X at now, and what X said of
// the limit in its answer.
func (b *budget) spent(now time.Time, limits xapi.Limits) {
	b.forget(now)
	b.sent = append(b.sent, now)
	switch {
	case limits.Known && limits.Reset.After(now):
		b.told, b.remaining, b.reset = true, limits.Remaining, limits.Reset
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
