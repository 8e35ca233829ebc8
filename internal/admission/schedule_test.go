package admission

import (
	"slices"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

func noJitter() float64 { return 0 }

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// waits feeds the same ending to a schedule for a day and returns the waits.
func waits(s *Schedule, e func(now time.Time) Ending) []time.Duration {
	var all []time.Duration
	for now := start; now.Before(start.Add(24 * time.Hour)); {
		end := e(now)
		now = now.Add(end.Lived)
		wait := s.Next(end, now)
		all = append(all, wait)
		now = now.Add(wait)
	}
	return all
}

func always(e Ending) func(time.Time) Ending { return func(time.Time) Ending { return e } }

// thenAlways is a list of waits of which the last repeats for ever.
func thenAlways(waits ...time.Duration) []time.Duration { return waits }

func linearly() []time.Duration {
	var all []time.Duration
	for d := networkStep; d <= networkMax; d += networkStep {
		all = append(all, d)
	}
	return all
}

// A day of one failure gives exactly the waits of docs/architecture.md.
func TestADayOfFailures(t *testing.T) {
	doubled := thenAlways(5*time.Second, 10*time.Second, 20*time.Second, 40*time.Second, 80*time.Second, 160*time.Second, 320*time.Second)
	for name, c := range map[string]struct {
		ending func(time.Time) Ending
		want   []time.Duration
	}{
		"refused connections": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.Network, Reason: "refused"}}),
			linearly(),
		},
		"503": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.HTTPFailure, Status: 503}}),
			doubled,
		},
		"wrong token": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.Unauthorized, Status: 401}}),
			doubled,
		},
		"429 without a reset time": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.RateLimited, Status: 429}}),
			thenAlways(time.Minute, 2*time.Minute, 4*time.Minute, 8*time.Minute, 15*time.Minute),
		},
		"429 with a reset time": {
			func(now time.Time) Ending {
				return Ending{Problem: &xapi.Problem{Class: xapi.RateLimited, Status: 429,
					Limits: xapi.Limits{Known: true, Reset: now.Add(7 * time.Minute)}}}
			},
			thenAlways(7 * time.Minute),
		},
		"429 with a reset time by a clock that is an hour ahead": {
			func(now time.Time) Ending {
				return Ending{Problem: &xapi.Problem{Class: xapi.RateLimited, Status: 429, Date: now.Add(time.Hour),
					Limits: xapi.Limits{Known: true, Reset: now.Add(time.Hour + 3*time.Minute)}}}
			},
			thenAlways(3 * time.Minute),
		},
		"429 with a reset time in the past": {
			func(now time.Time) Ending {
				return Ending{Problem: &xapi.Problem{Class: xapi.RateLimited, Status: 429,
					Limits: xapi.Limits{Known: true, Reset: now.Add(-time.Second)}}}
			},
			thenAlways(time.Minute, 2*time.Minute, 4*time.Minute, 8*time.Minute, 15*time.Minute),
		},
		"too many connections": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.TooManyConnections, Status: 429}}),
			thenAlways(5*time.Second, 10*time.Second, 20*time.Second, 30*time.Second),
		},
		"usage cap": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.UsageCapped, Status: 429}}),
			thenAlways(time.Hour),
		},
		"no rules": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.NoRules, Status: 409}}),
			thenAlways(time.Minute),
		},
		"200, then close": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.Network}, Opened: true, Lived: time.Second}),
			doubled,
		},
		"data, then an early end": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.Network}, Opened: true, Lived: healthy - 1, Data: true}),
			linearly(),
		},
		"a healthy connection that ends": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.Network}, Opened: true, Lived: healthy}),
			thenAlways(0),
		},
		"an operational disconnect of a healthy connection": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.Disconnected}, Opened: true, Lived: time.Hour, Data: true}),
			thenAlways(0),
		},
		"a healthy connection that X ends for its usage cap": {
			always(Ending{Problem: &xapi.Problem{Class: xapi.UsageCapped}, Opened: true, Lived: time.Hour, Data: true}),
			thenAlways(time.Hour),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := waits(NewSchedule(noJitter), c.ending)
			want := slices.Clone(c.want)
			for len(want) < len(got) {
				want = append(want, want[len(want)-1])
			}
			if !slices.Equal(got, want[:len(got)]) {
				t.Errorf("waits begin with\n%v, want\n%v", got[:min(len(got), 20)], want[:min(len(want), 20)])
			}
		})
	}
}

func TestHealthStartsAllSchedulesOver(t *testing.T) {
	s := NewSchedule(noJitter)
	failures := []*xapi.Problem{{Class: xapi.Network}, {Class: xapi.HTTPFailure}, {Class: xapi.RateLimited}, {Class: xapi.TooManyConnections}}
	first := make([]time.Duration, len(failures))
	for i, p := range failures {
		first[i] = s.Next(Ending{Problem: p}, start)
		if again := s.Next(Ending{Problem: p}, start); again <= first[i] {
			t.Errorf("class %v: %v after %v", p.Class, again, first[i])
		}
	}
	s.Next(Ending{Problem: failures[0], Opened: true, Lived: healthy, Data: true}, start)
	for i, p := range failures {
		if got := s.Next(Ending{Problem: p}, start); got != first[i] {
			t.Errorf("class %v after a healthy connection: %v, want %v", p.Class, got, first[i])
		}
	}
}

func TestJitterOnlyProlongs(t *testing.T) {
	s := NewSchedule(func() float64 { return 0.999 })
	got := s.Next(Ending{Problem: &xapi.Problem{Class: xapi.UsageCapped}}, start)
	if got <= usageWait || got > usageWait*11/10 {
		t.Errorf("%v, want up to a tenth more than %v", got, usageWait)
	}
}
