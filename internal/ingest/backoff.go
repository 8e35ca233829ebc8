package ingest

import "time"

// X's own numbers for reconnecting (docs.x.com, "Handling disconnections"),
// and the ones that X leaves to its clients.
const (
	networkStep = 250 * time.Millisecond // network errors: linearly, by this step
	networkMax  = 16 * time.Second

	httpFirst = 5 * time.Second // HTTP errors: doubling
	httpMax   = 320 * time.Second

	rateFirst = time.Minute // 429 without a reset time: doubling
	rateMax   = 15 * time.Minute

	slotFirst = 5 * time.Second // too many connections: our own dead one may hold the slot
	slotMax   = 30 * time.Second

	usageWait   = time.Hour   // a usage cap can last for weeks
	noRulesWait = time.Minute // somebody may add a rule at any moment

	// healthy is how long a connection must live for all schedules to start
	// over.
	healthy = 30 * time.Second

	// jitterShare is the largest part of a wait that jitter adds. It never
	// shortens one: X counts the waits as minimums.
	jitterShare = 0.1
)

// linear is X's schedule for network errors: step, 2 steps, 3 steps, ... max.
type linear struct {
	step, max, last time.Duration
}

func (l *linear) NextBackOff() time.Duration {
	l.last = min(l.last+l.step, l.max)
	return l.last
}

func (l *linear) Reset() { l.last = 0 }
