package account

import (
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// Job is a recovery or a search of one window that is running.
type Job struct {
	method  string
	window  coverage.Interval
	since   time.Time
	reached time.Time // everything of the window up to here has been brought
	events  int       // that were new
}

// JobBegan tells that a job begins at a moment.
func (a *Account) JobBegan(method string, window coverage.Interval, at time.Time) *Job {
	j := &Job{method: method, window: window, since: at, reached: window.From}
	a.jobs = append(a.jobs, j)
	return j
}

// Brought tells that a recovery has brought events up to one that was created at
// newest (zero: unknown), so many new ones in all, and returns how much of the
// time that was missing that closes. What was created within the margin before
// the newest may be on its way.
func (a *Account) Brought(j *Job, newest time.Time, events int) (closed time.Duration) {
	j.events = events
	return a.advance(j, newest.Add(-a.margin()))
}

// Recovered tells that a recovery has brought all of its window, and returns how
// much of the time that was missing that closes.
func (a *Account) Recovered(j *Job) (closed time.Duration) { return a.advance(j, j.window.To) }

func (a *Account) advance(j *Job, to time.Time) (closed time.Duration) {
	if to.After(j.window.To) {
		to = j.window.To
	}
	if !to.After(j.reached) {
		return 0
	}
	part := coverage.Interval{From: j.reached, To: to}
	j.reached = to
	closed = a.missing(part)
	a.receive(step{proven: part, job: true, exact: !to.Add(a.margin()).After(j.since)})
	return closed
}

// Searched tells that a search has brought what it could of a part of its
// window, after so many new events in all, and returns how much of it was
// missing.
func (a *Account) Searched(j *Job, s coverage.Search, events int) (closed time.Duration) {
	j.reached, j.events = s.To, events
	closed = a.missing(s.Interval)
	a.receive(step{proven: s.Interval, job: true, search: &s})
	return closed
}

func (a *Account) missing(i coverage.Interval) (total time.Duration) {
	for _, gap := range a.ledger.Open(i.To) {
		total += gap.Intersect(i).Duration()
	}
	return total
}

// JobEnded tells that a job runs no more, however it ended.
func (a *Account) JobEnded(j *Job) {
	a.jobs = slices.DeleteFunc(a.jobs, func(o *Job) bool { return o == j })
	a.widen()
}

// Rest is what is to be asked for to bring the rest of a recovery's window.
// Nobody knows whether X selects by creation or by delivery. What was created
// just before the end of the window and delivered after it comes with what
// follows there; where nothing is asked for any more, the margin is.
func (a *Account) Rest(j *Job) coverage.Interval {
	rest := coverage.Interval{From: j.reached, To: j.window.To}
	if a.gone(rest.To) {
		rest.To = rest.To.Add(a.margin())
	}
	return rest
}

// gone reports whether a moment is lost or was searched, be it that what the
// search found still waits for the output.
func (a *Account) gone(at time.Time) bool {
	return a.ledger.IsGone(at) || slices.ContainsFunc(a.steps, func(s step) bool { return s.search != nil && s.proven.Holds(at) })
}

// Lost records that nothing will bring a period any more, and returns what of it
// was open.
func (a *Account) Lost(i coverage.Interval, reason string) []coverage.Interval {
	a.leave(i)
	return a.ledger.Lost(i, reason)
}
