package run

import (
	"context"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// atTheEnd is how close to the end of its window the last event of a complete
// recovery may be expected on a busy stream.
const atTheEnd = 10 * time.Second

// recover asks for the window until X has sent all of it. A v2 recovery marks
// its end by nothing but the end of the response, which a restart of X's
// server looks like as well: where the last event lies well before the end of
// the window, the rest is asked for again, until that brings nothing more.
func (j *job) recover(ctx context.Context) repair.Outcome {
	for again := false; ; again = true {
		before := j.newest
		problem := j.request(ctx)
		if ctx.Err() != nil {
			return repair.Broken
		}
		if problem.Reason != xapi.CleanEnd {
			j.tellBroken(problem)
			if problem.Class == xapi.Forbidden || problem.Class == xapi.BadRequest {
				return repair.NoAccess
			}
			return repair.Broken
		}
		near := !j.newest.Before(j.Window.To.Add(-atTheEnd))
		if near || again && j.newest.Equal(before) {
			j.progress(func(a *account.Account) time.Duration { return a.Recovered(j.entry) })
			return repair.Done
		}
		wait.Sleep(ctx, noticing)
	}
}

// request opens one recovery connection for the rest of the window and reads it
// to its end.
func (j *job) request(ctx context.Context) *xapi.Problem {
	rest := j.rest()
	conn, problem := j.Dial(ctx, xapi.Request{Stream: j.Stream, Partition: j.Partition, Start: rest.From, End: rest.To})
	if problem != nil {
		return problem
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var lines [][]byte
	for {
		var err error
		if lines, err = conn.ReadLines(lines[:0], j.MaxBatch); err != nil {
			return xapi.AsProblem(err)
		}
		said, err := j.bring(ctx, lines)
		if err != nil {
			return xapi.AsProblem(err)
		}
		if said != nil {
			return said // whatever X announces, it is no completion
		}
		j.progress(func(a *account.Account) time.Duration { return a.Brought(j.entry, j.newest, j.events) })
	}
}
