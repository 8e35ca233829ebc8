package ingest

import (
	"slices"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

func noJitter() float64 { return 0 }

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// waits feeds the same ending to a supervisor for a day and returns the waits.
func waits(s *supervisor, e func(now time.Time) ending) []time.Duration {
	var all []time.Duration
	for now := start; now.Before(start.Add(24 * time.Hour)); {
		end := e(now)
		now = now.Add(end.lived)
		wait := s.next(end, now)
		all = append(all, wait)
		now = now.Add(wait)
	}
	return all
}

func always(e ending) func(time.Time) ending { return func(time.Time) ending { return e } }

// schedule is a list of waits of which the last repeats for ever.
func schedule(waits ...time.Duration) []time.Duration { return waits }

func linearly() []time.Duration {
	var all []time.Duration
	for d := networkStep; d <= networkMax; d += networkStep {
		all = append(all, d)
	}
	return all
}

// A day of one failure gives exactly the waits of docs/architecture.md.
func TestADayOfFailures(t *testing.T) {
	doubled := schedule(5*time.Second, 10*time.Second, 20*time.Second, 40*time.Second, 80*time.Second, 160*time.Second, 320*time.Second)
	for name, c := range map[string]struct {
		ending func(time.Time) ending
		want   []time.Duration
	}{
		"refused connections": {
			always(ending{problem: &xapi.Problem{Class: xapi.Network, Reason: "refused"}}),
			linearly(),
		},
		"503": {
			always(ending{problem: &xapi.Problem{Class: xapi.HTTPFailure, Status: 503}}),
			doubled,
		},
		"wrong token": {
			always(ending{problem: &xapi.Problem{Class: xapi.Unauthorized, Status: 401}}),
			doubled,
		},
		"429 without a reset time": {
			always(ending{problem: &xapi.Problem{Class: xapi.RateLimited, Status: 429}}),
			schedule(time.Minute, 2*time.Minute, 4*time.Minute, 8*time.Minute, 15*time.Minute),
		},
		"429 with a reset time": {
			func(now time.Time) ending {
				return ending{problem: &xapi.Problem{Class: xapi.RateLimited, Status: 429,
					Limits: xapi.Limits{Known: true, Reset: now.Add(7 * time.Minute)}}}
			},
			schedule(7 * time.Minute),
		},
		"429 with a reset time by a clock that is an hour ahead": {
			func(now time.Time) ending {
				return ending{problem: &xapi.Problem{Class: xapi.RateLimited, Status: 429, Date: now.Add(time.Hour),
					Limits: xapi.Limits{Known: true, Reset: now.Add(time.Hour + 3*time.Minute)}}}
			},
			schedule(3 * time.Minute),
		},
		"429 with a reset time in the past": {
			func(now time.Time) ending {
				return ending{problem: &xapi.Problem{Class: xapi.RateLimited, Status: 429,
					Limits: xapi.Limits{Known: true, Reset: now.Add(-time.Second)}}}
			},
			schedule(time.Minute, 2*time.Minute, 4*time.Minute, 8*time.Minute, 15*time.Minute),
		},
		"too many connections": {
			always(ending{problem: &xapi.Problem{Class: xapi.TooManyConnections, Status: 429}}),
			schedule(5*time.Second, 10*time.Second, 20*time.Second, 30*time.Second),
		},
		"usage cap": {
			always(ending{problem: &xapi.Problem{Class: xapi.UsageCapped, Status: 429}}),
			schedule(time.Hour),
		},
		"no rules": {
			always(ending{problem: &xapi.Problem{Class: xapi.NoRules, Status: 409}}),
			schedule(time.Minute),
		},
		"200, then close": {
			always(ending{problem: &xapi.Problem{Class: xapi.Network}, opened: true, lived: time.Second}),
			doubled,
		},
		"data, then an early end": {
			always(ending{problem: &xapi.Problem{Class: xapi.Network}, opened: true, lived: healthy - 1, data: true}),
			linearly(),
		},
		"a healthy connection that ends": {
			always(ending{problem: &xapi.Problem{Class: xapi.Network}, opened: true, lived: healthy}),
			schedule(0),
		},
		"an operational disconnect of a healthy connection": {
			always(ending{problem: &xapi.Problem{Class: xapi.Disconnected}, opened: true, lived: time.Hour, data: true}),
			schedule(0),
		},
		"a healthy connection that X ends for its usage cap": {
			always(ending{problem: &xapi.Problem{Class: xapi.UsageCapped}, opened: true, lived: time.Hour, data: true}),
			schedule(time.Hour),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := waits(newSupervisor(noJitter), c.ending)
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
	s := newSupervisor(noJitter)
	failures := []*xapi.Problem{{Class: xapi.Network}, {Class: xapi.HTTPFailure}, {Class: xapi.RateLimited}, {Class: xapi.TooManyConnections}}
	first := make([]time.Duration, len(failures))
	for i, p := range failures {
		first[i] = s.next(ending{problem: p}, start)
		if again := s.next(ending{problem: p}, start); again <= first[i] {
			t.Errorf("class %v: %v after %v", p.Class, again, first[i])
		}
	}
	s.next(ending{problem: failures[0], opened: true, lived: healthy, data: true}, start)
	for i, p := range failures {
		if got := s.next(ending{problem: p}, start); got != first[i] {
			t.Errorf("class %v after a healthy connection: %v, want %v", p.Class, got, first[i])
		}
	}
}

func TestJitterOnlyProlongs(t *testing.T) {
	s := newSupervisor(func() float64 { return 0.999 })
	got := s.next(ending{problem: &xapi.Problem{Class: xapi.UsageCapped}}, start)
	if got <= usageWait || got > usageWait*11/10 {
		t.Errorf("%v, want up to a tenth more than %v", got, usageWait)
	}
}
