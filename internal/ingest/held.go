package ingest

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// edge is how far around a gap a repair may repeat what was delivered: events
// on their way when it began or ended, and what rounding to whole minutes adds.
const edge = 2 * time.Minute

// hold keeps the keys around a period apart from the window, which forgets
// them while a repair waits for its turn.
func (p *partition) hold(i coverage.Interval) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for piece := range p.window.Pieces() {
		p.holdKeys(p.window.Look(piece, around([]coverage.Interval{i})))
	}
}

func (p *partition) holdKeys(seen []dedupe.Sighting) {
	if p.held == nil {
		p.held = map[dedupe.Key]*dedupe.Claim{}
	}
	for _, s := range seen {
		if len(p.held) < p.heldMax {
			p.held[s.Key] = s.Claim
		}
	}
}

// around matches events that lie in one of the periods or close to it.
func around(periods []coverage.Interval) func(snowflake uint64, at time.Time) bool {
	return func(snowflake uint64, at time.Time) bool {
		if snowflake != 0 {
			at = time.UnixMilli(xapi.SnowflakeTime(snowflake))
		}
		for _, i := range periods {
			if !at.Before(i.From.Add(-edge)) && at.Before(i.To.Add(edge)) {
				return true
			}
		}
		return false
	}
}

// passOver turns the verdict on events that a repair brings again into
// Duplicate where their keys are held.
func (p *partition) passOver(keys []dedupe.Key, verdicts []dedupe.Verdict) {
	if len(p.held) == 0 {
		return
	}
	for n, k := range keys {
		if claim, held := p.held[k]; held && verdicts[n] == dedupe.New && !claim.Rejected() {
			verdicts[n] = dedupe.Duplicate
		}
	}
}

// letGo forgets the held keys once no gap is left.
func (p *partition) letGo(now time.Time) {
	if len(p.held) > 0 && len(p.doubtful(now, anySpan)) == 0 && len(p.spans) > 0 {
		p.held = nil
	}
}
