package ingest

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

const (
	// yielding is how long the redundant connects of all partitions wait for
	// the first attempt of a partition that has no connection.
	yielding = 5 * time.Second

	// crowdedFirst and crowdedMax bound the waits before another redundant
	// connect is tried after X has refused one for want of a slot. One of our
	// own dead connections may hold it for minutes; after that it is the
	// account's limit, and each try costs a connect of the budget.
	crowdedFirst = 5 * time.Second
	crowdedMax   = 15 * time.Minute

	// liveReserve is how many connects are never spent on repair.
	liveReserve = 5
)

// turns decides whose connect is sent next, so that the budget goes where it
// is needed most: each partition gets its first connection before any gets
// its second, and a redundant connect leaves one for each partition that has
// none.
//
// It is a state machine without a clock, and not safe for concurrent use.
type turns struct {
	budget     *budget
	partitions map[int]*turn
	dialing    int // connects under way, whose cost is not known yet

	crowded backoff.BackOff // between redundant connects that X refuses for want of a slot
	retryAt time.Time       // no redundant connect before; zero: X refused none
}

// turn is the state of one partition.
type turn struct {
	wanted  int       // connections
	up      int       // of them
	dialing int       // connects under way
	awaited time.Time // until then redundant connects let this partition go first
}

func newTurns(rate xapi.Rate, partitions []*partition, connections int, now time.Time) *turns {
	t := &turns{budget: newBudget(rate), partitions: map[int]*turn{}, crowded: wait.Doubling(crowdedFirst, crowdedMax)}
	for _, p := range partitions {
		t.partitions[p.number] = &turn{wanted: connections, awaited: now.Add(yielding)}
	}
	return t
}

// take gives the partition the right to send one connect at now. Otherwise it
// returns when to ask again unless something changes before (zero: at a
// change), and whether the budget is the reason.
func (t *turns) take(partition int, now time.Time) (taken bool, again time.Time, spent bool) {
	left := t.budget.left(now) - t.dialing
	if t.redundant(partition) {
		if again := t.yield(now); !again.IsZero() {
			return false, again, false
		}
		left -= t.lacking()
	}
	if left <= 0 {
		return false, t.budget.grows(now), true
	}
	t.partitions[partition].dialing++
	t.dialing++
	return true, time.Time{}, false
}

// redundant reports whether a connect of the partition would be one beside
// another.
func (t *turns) redundant(partition int) bool {
	own := t.partitions[partition]
	return own.up+own.dialing > 0
}

// yield returns until when a redundant connect waits for others; zero: it
// need not.
func (t *turns) yield(now time.Time) (until time.Time) {
	if t.retryAt.After(now) {
		until = t.retryAt
	}
	for _, p := range t.partitions {
		if p.up == 0 && p.awaited.After(now) && p.awaited.After(until) {
			until = p.awaited
		}
	}
	return until
}

// lacking is the number of partitions that have no connection and are not
// about to have one.
func (t *turns) lacking() int {
	n := 0
	for _, p := range t.partitions {
		if p.up+p.dialing == 0 {
			n++
		}
	}
	return n
}

// answered records the outcome of a connect that take allowed: it opened, or
// it failed for that problem.
func (t *turns) answered(partition int, now time.Time, limits xapi.Limits, problem *xapi.Problem) {
	own := t.partitions[partition]
	own.dialing--
	t.dialing--
	own.awaited = time.Time{}
	if problem == nil {
		if own.up++; own.up > 1 {
			t.crowded.Reset()
			t.retryAt = time.Time{}
		}
	}
	t.cost(now, limits, problem)
}

// spare gives a repair the right to send one connect at now, if the budget has
// one beyond what live connections may need. Otherwise it returns when to ask
// again unless something changes before.
func (t *turns) spare(now time.Time) (taken bool, again time.Time) {
	if t.budget.left(now)-t.dialing-t.lacking() <= liveReserve {
		return false, t.budget.grows(now)
	}
	t.dialing++
	return true, time.Time{}
}

// spared records the outcome of a connect that spare allowed.
func (t *turns) spared(now time.Time, limits xapi.Limits, problem *xapi.Problem) {
	t.dialing--
	t.cost(now, limits, problem)
}

// cost counts a connect whose request was sent.
func (t *turns) cost(now time.Time, limits xapi.Limits, problem *xapi.Problem) {
	if problem == nil || problem.Sent {
		t.budget.spent(now, limits)
	}
}

// crowd records that X has refused the partition a slot at now. It reports
// whether that was a redundant connect, which all others of the kind wait for,
// and whether it is news that X refuses them.
func (t *turns) crowd(partition int, now time.Time) (redundant, news bool) {
	if t.partitions[partition].up == 0 {
		return false, false
	}
	news = t.retryAt.IsZero()
	t.retryAt = now.Add(t.crowded.NextBackOff())
	return true, news
}

// closed records the end of a connection.
func (t *turns) closed(partition int, now time.Time) {
	own := t.partitions[partition]
	if own.up--; own.up == 0 {
		own.awaited = now.Add(yielding)
	}
}

// up is the number of the partition's connections.
func (t *turns) up(partition int) int { return t.partitions[partition].up }

// due reports whether a connect of the partition is on its way or will be soon.
func (t *turns) due(partition int, now time.Time) bool {
	own := t.partitions[partition]
	return own.up < own.wanted && (own.up == 0 || !t.retryAt.After(now))
}

// withdraw counts a connection that will not be opened again.
func (t *turns) withdraw(partition int) { t.partitions[partition].wanted-- }
