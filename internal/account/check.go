package account

import (
	"fmt"
	"time"
)

// Check returns what is wrong in the account at now, by rules that hold at every
// moment; nil: nothing.
func (a *Account) Check(now time.Time) error {
	if a.ledger == nil {
		return nil
	}
	if err := a.ledger.Check(now); err != nil {
		return err
	}
	if len(a.pins) > a.cfg.Capacity {
		return fmt.Errorf("%d keys are pinned, and %d may be", len(a.pins), a.cfg.Capacity)
	}
	if len(a.edges) > mostEdges {
		return fmt.Errorf("%d edges, and %d may be", len(a.edges), mostEdges)
	}
	for n, s := range a.steps {
		if s.seq > a.seq || n > 0 && s.seq < a.steps[n-1].seq {
			return fmt.Errorf("step %d of %d waits for read %d of %d, behind others", n, len(a.steps), s.seq, a.seq)
		}
		if s.search == nil && !s.proven.Empty() && a.missing(s.proven) > 0 {
			return fmt.Errorf("what waits for the output as received is open: %v", s.proven)
		}
	}
	if a.unsettled.Pending() == 0 && len(a.steps) > 0 {
		return fmt.Errorf("%d steps wait for the output, and no read does", len(a.steps))
	}
	return nil
}
