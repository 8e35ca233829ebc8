package admission

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// X's own numbers for reconnecting (docs.x.com, "Handling disconnections"),
// and the ones that X leaves to its clients.
const (
	networkStep = 250 * time.Millisecond // network errors: linearly, by this step
	networkMax  = 16 * time.Second

	httpFirst = 5 * time.Second // HTTP errors: doubling
	// HTTPMax is the longest wait after an HTTP error, without jitter.
	HTTPMax = 320 * time.Second

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

// Schedule decides how long one connection waits before its next attempt. It is
// made by [NewSchedule], and not safe for concurrent use.
type Schedule struct {
	network, http, rate, slot backoff.BackOff
	jitter                    func() float64
}

// NewSchedule makes a schedule whose jitter adds jitter() of a tenth to each
// wait; jitter returns a number in [0, 1).
func NewSchedule(jitter func() float64) *Schedule {
	return &Schedule{
		network: &linear{step: networkStep, max: networkMax},
		http:    wait.Doubling(httpFirst, HTTPMax),
		rate:    wait.Doubling(rateFirst, rateMax),
		slot:    wait.Doubling(slotFirst, slotMax),
		jitter:  jitter,
	}
}

// Next is the wait before the next attempt after e, at time now; 0: none.
func (s *Schedule) Next(e Ending, now time.Time) time.Duration {
	if e.Opened && e.Lived >= healthy {
		for _, b := range []backoff.BackOff{s.network, s.http, s.rate, s.slot} {
			b.Reset()
		}
	}
	wait := s.base(e, now)
	return wait + time.Duration(s.jitter()*jitterShare*float64(wait))
}

func (s *Schedule) base(e Ending, now time.Time) time.Duration {
	switch e.Problem.Class {
	case xapi.RateLimited:
		return s.untilReset(e.Problem, now)
	case xapi.TooManyConnections:
		return s.slot.NextBackOff()
	case xapi.UsageCapped:
		return usageWait
	case xapi.NoRules:
		return noRulesWait
	case xapi.Network, xapi.Disconnected:
		switch {
		case !e.Opened:
			return s.network.NextBackOff()
		case e.Lived >= healthy:
			return 0 // X: the first reconnect at once
		case e.Data:
			return s.network.NextBackOff()
		default:
			// A server that says 200 and hangs up must not be hammered.
			return s.http.NextBackOff()
		}
	default:
		return s.http.NextBackOff()
	}
}

// untilReset waits for the reset time of a rate limit, by X's clock where the
// answer showed it, and on the doubling schedule where no reset time came.
func (s *Schedule) untilReset(p *xapi.Problem, now time.Time) time.Duration {
	scheduled := s.rate.NextBackOff()
	if p.Limits.Reset.IsZero() {
		return scheduled
	}
	if !p.Date.IsZero() {
		now = p.Date
	}
	wait := p.Limits.Reset.Sub(now)
	if wait <= 0 {
		return scheduled
	}
	return wait
}
