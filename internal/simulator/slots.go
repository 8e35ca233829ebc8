package simulator

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// claim is what a connection takes of its stream's connections: a slot, or one
// of the recovery jobs.
type claim struct {
	stream    *stream
	partition int
	recovery  bool
}

// target is what a fault calls the use of the connection.
func (c claim) target() Target {
	if c.recovery {
		return Recovery
	}
	return Live
}

// held is the claim of a dead connection that X still counts.
type held struct {
	claim
	until time.Time
}

// competes reports whether two claims count against the same number of
// connections.
func (a *account) competes(c, other claim) bool {
	return c.stream == other.stream && (c.recovery == other.recovery || a.RecoveryTakesSlot)
}

// sharesJobs reports whether two claims count against the same number of
// recovery jobs.
func (a *account) sharesJobs(c, other claim) bool {
	return c.stream == other.stream && other.recovery && (c.partition == other.partition || !a.RecoveryJobsByPartition)
}

// admit gives c what it claims, or says why it cannot have it.
func (a *account) admit(c *connection) *problem {
	if a.capped() {
		return usageCapped()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	mine := c.claim()
	if a.NewConnectionEndsOld {
		a.held = slices.DeleteFunc(a.held, func(h held) bool { return a.competes(mine, h.claim) })
		for old, theirs := range a.claims {
			if a.competes(mine, theirs) {
				old.stop(reasonReplaced)
				delete(a.claims, old)
			}
		}
	}
	if mine.recovery && a.RecoveryJobs != Unlimited && a.taken(mine, a.sharesJobs) >= a.RecoveryJobs {
		return tooManyConnections()
	}
	if !mine.recovery || a.RecoveryTakesSlot {
		if allowed := cmp.Or(a.Connections, c.stream.connections); allowed != Unlimited && a.taken(mine, a.competes) >= allowed {
			return tooManyConnections()
		}
	}
	a.claims[c] = mine
	return nil
}

// taken counts the claims that count against the same number as mine.
func (a *account) taken(mine claim, same func(claim, claim) bool) int {
	now := time.Now()
	a.held = slices.DeleteFunc(a.held, func(h held) bool { return !now.Before(h.until) })
	n := 0
	for _, theirs := range a.claims {
		if same(mine, theirs) {
			n++
		}
	}
	for _, h := range a.held {
		if same(mine, h.claim) {
			n++
		}
	}
	return n
}

// begin makes c visible, to faults above all.
func (a *account) begin(c *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.numbered++
	c.id = a.numbered
	a.open[c] = struct{}{}
}

// release ends c's claim: now where X itself ended the connection, else after
// SlotHold.
func (a *account) release(c *connection, why reason) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.claims, c)
	if a.SlotHold > 0 && !why.byX() {
		a.held = append(a.held, held{c.claim(), time.Now().Add(a.SlotHold)})
	}
}

// pastKept bounds the memory of ended connections.
const pastKept = 1000

// pastConnection is one that has ended.
type pastConnection struct {
	id             int64
	stream         *stream
	opened, closed time.Time
	why            reason
}

// finish forgets an open connection but for its history.
func (a *account) finish(c *connection, why reason) {
	a.release(c, why)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, c)
	a.ended[why]++
	if len(a.past) == pastKept {
		a.past = slices.Delete(a.past, 0, pastKept/2)
	}
	a.past = append(a.past, pastConnection{c.id, c.stream, c.opened, time.Now(), why})
}

// connections returns the open ones in the order of their opening.
func (a *account) connections() []*connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.SortedFunc(maps.Keys(a.open), func(x, y *connection) int { return cmp.Compare(x.id, y.id) })
}
