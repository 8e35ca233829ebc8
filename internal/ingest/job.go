package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// atTheEnd is how close to the end of its window the last event of a complete
// recovery may be expected on a busy stream.
const atTheEnd = 10 * time.Second

// job carries out one job of the planner. It runs in one goroutine.
type job struct {
	repair.Job
	in        *Ingest
	partition *partition
	client    *xapi.Client
	decoder   *delivery.Decoder
	log       *slog.Logger

	work     *Work
	reached  time.Time // everything of the window up to here has been brought
	newest   time.Time // creation of the newest event that came; zero: none
	posts    int
	stripped map[uint64]string // terms that a search left out, by Post
}

func newJob(in *Ingest, p *partition, r repair.Job) *job {
	log := in.log.With("stream", in.cfg.Stream.Name, "method", string(r.Method), "window", r.Window.String())
	if p.number > 0 {
		log = log.With("partition", p.number)
	}
	source := delivery.Recovery
	if r.Method == repair.Search {
		source = delivery.Search
	}
	return &job{
		Job: r, in: in, partition: p, log: log, client: in.cfg.Clients[0], reached: r.Window.From,
		decoder: delivery.NewDecoder(in.cfg.Stream.Format, delivery.Origin{Partition: p.number, Source: source}, p.judge),
	}
}

// run carries the job out and says how it ended.
func (j *job) run(ctx context.Context) repair.Outcome {
	j.partition.hold(j.Window)
	j.work = j.partition.begun(j.Job, j.in.now())
	defer j.partition.over(j.work)
	if j.Method == repair.Search {
		return j.search(ctx)
	}
	return j.recover(ctx)
}

// recover asks for the window until X has sent all of it. A v2 recovery marks
// its end by nothing but the end of the response, which a restart of X's
// server looks like as well: where the last event lies well before the end of
// the window, the rest is asked for again, until that brings nothing more.
func (j *job) recover(ctx context.Context) repair.Outcome {
	for again := false; ; again = true {
		before := j.newest
		problem := j.request(ctx, coverage.Interval{From: j.reached, To: j.Window.To})
		if ctx.Err() != nil {
			return repair.Broken
		}
		if problem.Reason != xapi.CleanEnd {
			return j.broken(problem)
		}
		near := !j.newest.Before(j.Window.To.Add(-atTheEnd))
		if near || again && j.newest.Equal(before) {
			j.reach(j.Window.To)
			return repair.Done
		}
		wait.Sleep(ctx, redundantPause) // until X has noticed that the last one ended
	}
}

// broken says how a problem ends a recovery.
func (j *job) broken(p *xapi.Problem) repair.Outcome {
	j.tellBroken(p)
	if p.Class == xapi.Forbidden || p.Class == xapi.BadRequest {
		return repair.NoAccess
	}
	return repair.Broken
}

// tellBroken logs why the job ends before its time.
func (j *job) tellBroken(p *xapi.Problem) {
	log := j.log.With("reason", p.Error(), "reached", j.reached.UTC().Format(time.RFC3339))
	if p.Advice != "" {
		log = log.With("what_to_do", p.Advice)
	}
	log.Warn("a repair was broken off")
}

// request opens one recovery connection and reads it to its end.
func (j *job) request(ctx context.Context, rest coverage.Interval) *xapi.Problem {
	conn, problem := j.in.dialRepair(ctx, j.client, xapi.Request{
		Stream: j.in.cfg.Stream, Partition: j.partition.number, Start: rest.From, End: rest.To,
	})
	if problem != nil {
		return problem
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var lines [][]byte
	for {
		var err error
		if lines, err = conn.ReadLines(lines[:0], j.in.cfg.MaxBatch); err != nil {
			return asProblem(err)
		}
		said, err := j.bring(ctx, lines)
		if err != nil {
			return asProblem(err)
		}
		if said != nil {
			return said // whatever X announces, it is no completion
		}
		j.reach(j.newest.Add(-j.partition.overlap))
	}
}

// bring queues what of some lines is new. It waits for room until ctx ends.
func (j *job) bring(ctx context.Context, lines [][]byte) (said *xapi.Problem, err error) {
	out := j.decoder.Decode(lines, j.in.now(), delivery.Opening{})
	j.in.observer.Arrived(j.partition.number, out.Counts)
	for _, n := range out.Counts.New {
		j.posts += n
	}
	if out.Arrival.Newest.After(j.newest) {
		j.newest = out.Arrival.Newest
	}
	if out.Read == nil {
		return out.Problem, nil
	}
	for i := range out.Read.Events {
		e := &out.Read.Events[i]
		e.Stripped = j.stripped[e.Snowflake]
	}
	if err := j.in.queue.Put(ctx, out.Read); err != nil {
		return nil, fmt.Errorf("waiting for room in the queue: %w", err)
	}
	return out.Problem, nil
}

// reach records that everything of the window up to a moment has been brought.
func (j *job) reach(to time.Time) {
	if to.After(j.Window.To) {
		to = j.Window.To
	}
	if !to.After(j.reached) {
		return
	}
	closed := j.partition.repaired(coverage.Interval{From: j.reached, To: to}, j.work, j.posts)
	j.in.observer.Repaired(j.partition.number, string(j.Method), closed)
	j.reached = to
}

// dialRepair opens a connection for a repair, once the budget can spare one.
func (in *Ingest) dialRepair(ctx context.Context, client *xapi.Client, r xapi.Request) (*xapi.Connection, *xapi.Problem) {
	err := in.await(ctx, func() (bool, time.Time) {
		now := in.now()
		in.mu.Lock()
		defer in.mu.Unlock()
		return in.admission.AskRepair(now)
	})
	if err != nil {
		return nil, asProblem(err)
	}
	conn, limits, problem := in.send(ctx, client, r)
	now := in.now()
	in.mu.Lock()
	in.admission.RepairAnswered(now, limits, problem)
	in.mu.Unlock()
	in.changed.Broadcast()
	return conn, problem
}
