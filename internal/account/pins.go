package account

import (
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// edgeOfGap is how far around a gap a repair may repeat what was delivered:
// events on their way when it began or ended, and what rounding to whole minutes
// adds.
const edgeOfGap = 2 * time.Minute

// pins are keys that are kept because a gap is open beside them, and the claims
// that they passed under. The window forgets them while a repair waits for its
// turn.
type pins map[dedupe.Key]*dedupe.Claim

// judge asks the window, which first learns the claims of the keys that are
// pinned: it may have forgotten them. So one key has one claim, and what is
// dropped as a repeat of a pinned key is filed under the claim of the pin.
func (p pins) judge(w *dedupe.Window, now time.Time, claim *dedupe.Claim, keys []dedupe.Key, verdicts []dedupe.Verdict) []dedupe.Verdict {
	if len(p) == 0 {
		return w.Judge(now, claim, keys, verdicts)
	}
	for n, k := range keys {
		first, pinned := p[k]
		rejected := pinned && first.Rejected()
		if pinned && !rejected {
			w.File(now, k, first)
		}
		verdicts = w.Judge(now, claim, keys[n:n+1], verdicts)
		if rejected && verdicts[len(verdicts)-1] == dedupe.New {
			p[k] = claim
		}
	}
	return verdicts
}

// Pieces is the number of pieces in which the window is looked through: one at a
// time, so that nobody waits for a whole window.
func (a *Account) Pieces() int { return a.window.Pieces() }

// Pin keeps what a piece of the window knows around these gaps, until none is
// open any more. At most as many keys are pinned as the window holds.
func (a *Account) Pin(piece int, gaps []coverage.Interval) {
	a.pin(a.window.Look(piece, within(aroundGaps(gaps))))
}

func (a *Account) pin(seen []dedupe.Sighting) {
	if a.pins == nil {
		a.pins = pins{}
	}
	for _, s := range seen {
		if _, pinned := a.pins[s.Key]; !pinned && len(a.pins) < a.cfg.Capacity {
			a.pins[s.Key] = s.Claim
		}
	}
}

// Unpin lets the pinned keys go once no gap is left at now.
func (a *Account) Unpin(now time.Time) {
	if len(a.pins) > 0 && a.Up() && len(a.doubtful(now, anyMark)) == 0 {
		a.pins = nil
	}
}

// aroundGaps are the gaps and what lies close to them.
func aroundGaps(gaps []coverage.Interval) []coverage.Interval {
	wider := make([]coverage.Interval, len(gaps))
	for n, gap := range gaps {
		wider[n] = coverage.Interval{From: gap.From.Add(-edgeOfGap), To: gap.To.Add(edgeOfGap)}
	}
	return wider
}

// within matches events that were created in one of the periods; where the key
// does not say when, that first arrived in it.
func within(periods []coverage.Interval) func(snowflake uint64, at time.Time) bool {
	return func(snowflake uint64, at time.Time) bool {
		if snowflake != 0 {
			at = time.UnixMilli(xapi.SnowflakeTime(snowflake))
		}
		return slices.ContainsFunc(periods, func(i coverage.Interval) bool { return i.Holds(at) })
	}
}
