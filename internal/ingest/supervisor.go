package ingest

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// ending is how an attempt to connect, or a connection, ended.
type ending struct {
	problem *xapi.Problem
	opened  bool          // X had answered 200
	lived   time.Duration // from the opening to the end
	data    bool          // at least one event came
}

// supervisor decides how long to wait before the next attempt of one
// connection. It is a state machine: it reads no clock and waits for nothing.
type supervisor struct {
	network, http, rate, slot backoff.BackOff
	jitter                    func() float64
}

// newSupervisor makes a supervisor whose jitter adds jitter() of a tenth to
// each wait; jitter returns a number in [0, 1).
func newSupervisor(jitter func() float64) *supervisor {
	return &supervisor{
		network: &linear{step: networkStep, max: networkMax},
		http:    wait.Doubling(httpFirst, httpMax),
		rate:    wait.Doubling(rateFirst, rateMax),
		slot:    wait.Doubling(slotFirst, slotMax),
		jitter:  jitter,
	}
}

// next is the wait before the next attempt after e, at time now.
func (s *supervisor) next(e ending, now time.Time) time.Duration {
	if e.opened && e.lived >= healthy {
		for _, b := range []backoff.BackOff{s.network, s.http, s.rate, s.slot} {
			b.Reset()
		}
	}
	wait := s.base(e, now)
	return wait + time.Duration(s.jitter()*jitterShare*float64(wait))
}

func (s *supervisor) base(e ending, now time.Time) time.Duration {
	switch e.problem.Class {
	case xapi.RateLimited:
		return s.untilReset(e.problem, now)
	case xapi.TooManyConnections:
		return s.slot.NextBackOff()
	case xapi.UsageCapped:
		return usageWait
	case xapi.NoRules:
		return noRulesWait
	case xapi.Network, xapi.Disconnected:
		switch {
		case !e.opened:
			return s.network.NextBackOff()
		case e.lived >= healthy:
			return 0 // X: the first reconnect at once
		case e.data:
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
func (s *supervisor) untilReset(p *xapi.Problem, now time.Time) time.Duration {
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
