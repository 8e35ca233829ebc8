package admission

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

const (
	// Yielding is how long the redundant connects of all partitions wait for
	// the first attempt of a partition that has no connection.
	Yielding = 5 * time.Second

	refusedFirst = 5 * time.Second // the first of the waits up to RefusedMax
	// RefusedMax is the longest wait before another redundant connect is tried
	// after X has refused one for want of a slot. One of our own dead
	// connections may hold it for minutes; after that it is the account's limit,
	// and each try costs a connect of the budget.
	RefusedMax = 15 * time.Minute

	// liveReserve is how many connects are never spent on repair.
	liveReserve = 5
)

// Admission decides whose connect is sent next, so that the budget goes where
// it is needed most: each partition gets its first connection before any gets
// its second, and a redundant connect leaves one for each partition that has
// none.
//
// It knows the partitions that [New] was given, and panics at another. It is not
// safe for concurrent use.
type Admission struct {
	budget     *Budget
	partitions map[int]*partition // by number
	dialing    int                // connects under way, whose cost is not known yet

	refused backoff.BackOff // between redundant connects that X refuses for want of a slot
	retryAt time.Time       // no redundant connect before; zero: X refused none
}

// New makes an admission at now for partitions, given by number, none of which
// has any of its connections yet.
func New(rate xapi.Rate, partitions []int, connections int, now time.Time) *Admission {
	a := &Admission{budget: NewBudget(rate), partitions: map[int]*partition{}, refused: wait.Doubling(refusedFirst, RefusedMax)}
	for _, n := range partitions {
		a.partitions[n] = &partition{wanted: connections, awaited: now.Add(Yielding)}
	}
	return a
}

// Ask gives the partition the right to send one connect at now, whose outcome
// is for [Admission.Answered]. Otherwise it returns when to ask again unless
// something changes before (zero: at a change), and whether the budget is the
// reason.
func (a *Admission) Ask(partition int, now time.Time) (granted bool, again time.Time, spent bool) {
	left := a.Left(now) - a.dialing
	if a.Redundant(partition) {
		if again := a.yield(now); !again.IsZero() {
			return false, again, false
		}
		left -= a.lacking()
	}
	if left <= 0 {
		return false, a.budget.grows(now), true
	}
	a.partitions[partition].dialing++
	a.dialing++
	return true, time.Time{}, false
}

// Redundant reports whether a connect of the partition would be one beside
// another, which is up or on its way.
func (a *Admission) Redundant(partition int) bool {
	own := a.partitions[partition]
	return own.up+own.dialing > 0
}

// yield returns until when a redundant connect waits for others; zero: it
// need not.
func (a *Admission) yield(now time.Time) (until time.Time) {
	if a.retryAt.After(now) {
		until = a.retryAt
	}
	for _, p := range a.partitions {
		if p.up == 0 && p.awaited.After(now) && p.awaited.After(until) {
			until = p.awaited
		}
	}
	return until
}

// lacking is the number of partitions that have no connection and are not
// about to have one.
func (a *Admission) lacking() int {
	n := 0
	for _, p := range a.partitions {
		if p.up+p.dialing == 0 {
			n++
		}
	}
	return n
}

// Answered records the outcome of a connect that Ask granted: it opened, or it
// failed for that problem.
func (a *Admission) Answered(partition int, now time.Time, limits xapi.Limits, problem *xapi.Problem) {
	own := a.partitions[partition]
	own.dialing--
	a.dialing--
	own.awaited = time.Time{}
	if problem == nil {
		if own.up++; own.up > 1 {
			a.refused.Reset()
			a.retryAt = time.Time{}
		}
	}
	a.cost(now, limits, problem)
}

// Opened records when a connection of the partition, given by number, was
// opened, for [Admission.Evicted].
func (a *Admission) Opened(partition, connection int, at time.Time) {
	a.partitions[partition].eviction.opened(connection, at)
}

// AskRepair gives a repair the right to send one connect at now, whose outcome
// is for [Admission.RepairAnswered], if the budget has one beyond what live
// connections may need. Otherwise it returns when to ask again unless something
// changes before (zero: at a change).
func (a *Admission) AskRepair(now time.Time) (granted bool, again time.Time) {
	if a.Left(now)-a.dialing-a.lacking() <= liveReserve {
		return false, a.budget.grows(now)
	}
	a.dialing++
	return true, time.Time{}
}

// RepairAnswered records the outcome of a connect that AskRepair granted.
func (a *Admission) RepairAnswered(now time.Time, limits xapi.Limits, problem *xapi.Problem) {
	a.dialing--
	a.cost(now, limits, problem)
}

// cost counts a connect whose request was sent.
func (a *Admission) cost(now time.Time, limits xapi.Limits, problem *xapi.Problem) {
	if problem == nil || problem.Sent {
		a.budget.Sent(now, limits)
	}
}

// SlotRefused records that X has refused the partition a slot at now. It reports
// whether the partition is served by another connection, so that all redundant
// connects wait now, and whether it is news that X refuses them.
func (a *Admission) SlotRefused(partition int, now time.Time) (served, news bool) {
	if a.Up(partition) == 0 {
		return false, false
	}
	news = a.retryAt.IsZero()
	a.retryAt = now.Add(a.refused.NextBackOff())
	return true, news
}

// Closed records the end of a connection that had opened.
func (a *Admission) Closed(partition int, now time.Time) {
	own := a.partitions[partition]
	if own.up--; own.up == 0 {
		own.awaited = now.Add(Yielding)
	}
}

// Evicted asks about a connection of the partition, given by number, that had
// opened and ended at that time. It reports whether the connection gives up for
// good, and then expects one fewer: X has ended one of the partition's
// connections for another twice in a row, and another is up.
//
// It is to be asked once for each end, and a little after it: X may end the old
// connection before it answers the new one.
func (a *Admission) Evicted(partition, connection int, ended time.Time) (forGood bool) {
	own := a.partitions[partition]
	if !own.eviction.ended(connection, ended) || own.up == 0 {
		return false
	}
	own.wanted--
	return true
}

// Up is the number of the partition's connections that are up.
func (a *Admission) Up(partition int) int { return a.partitions[partition].up }

// Due reports whether a connect of the partition is on its way or will be soon.
func (a *Admission) Due(partition int, now time.Time) bool {
	own := a.partitions[partition]
	return own.up < own.wanted && (own.up == 0 || !a.retryAt.After(now))
}

// Left is the number of connects that X still allows at now, those under way
// among them.
func (a *Admission) Left(now time.Time) int { return a.budget.left(now) }
