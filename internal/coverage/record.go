package coverage

import (
	"slices"
	"time"
)

// Snapshot is a ledger as it is kept across a restart. It holds what was
// acknowledged, not what was merely received: the rest must come again.
type Snapshot struct {
	Start time.Time `json:"start"`
	// Done is covered, searched or lost.
	Done        []Interval         `json:"done"`
	Losses      []Loss             `json:"losses,omitempty"`
	LostSeconds map[string]float64 `json:"lost_seconds,omitempty"`
	Searches    []Search           `json:"searches,omitempty"`
	Rejections  []Rejection        `json:"rejections,omitempty"`
}

// Snapshot returns the ledger's record. It shares no memory with the ledger.
func (l *Ledger) Snapshot() Snapshot {
	r := Snapshot{
		Start: l.start, Done: l.done.Intervals(), Losses: slices.Clone(l.losses),
		Searches: slices.Clone(l.searches), Rejections: slices.Clone(l.rejected),
	}
	if len(l.lostTime) > 0 {
		r.LostSeconds = map[string]float64{}
		for reason, d := range l.lostTime {
			r.LostSeconds[reason] = d.Seconds()
		}
	}
	return r
}

// Ledger returns the ledger that goes on from the record.
func (r Snapshot) Ledger() *Ledger {
	l := NewLedger(r.Start)
	for _, i := range r.Done {
		l.done.Add(i)
		l.settled.Add(i)
	}
	for reason, s := range r.LostSeconds {
		l.lostTime[reason] = time.Duration(s * float64(time.Second))
	}
	l.losses, l.searches, l.rejected = slices.Clone(r.Losses), slices.Clone(r.Searches), slices.Clone(r.Rejections)
	return l
}

// End is the newest moment of what is done, and Start when nothing is.
func (r Snapshot) End() time.Time {
	end := r.Start
	for _, i := range r.Done {
		end = maxTime(end, i.To)
	}
	return end
}

// Covered returns the periods whose events have all been delivered, oldest
// first: what is done, without what is lost and what was only searched.
func (r Snapshot) Covered() []Interval {
	var covered Set
	for _, i := range r.Done {
		covered.Add(i)
	}
	for _, loss := range r.Losses {
		covered.Remove(loss.Interval)
	}
	for _, s := range r.Searches {
		covered.Remove(s.Interval)
	}
	return covered.Intervals()
}

// Gaps returns the periods up to a moment that are not done, oldest first.
func (r Snapshot) Gaps(until time.Time) []Interval { return r.Ledger().Open(until) }
