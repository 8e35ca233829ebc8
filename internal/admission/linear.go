package admission

import "time"

// linear is X's schedule for network errors: step, 2 steps, 3 steps, ... max.
type linear struct {
	step, max, last time.Duration
}

func (l *linear) NextBackOff() time.Duration {
	l.last = min(l.last+l.step, l.max)
	return l.last
}

func (l *linear) Reset() { l.last = 0 }
