// Package run carries out what a repair plan says: recoveries and searches. It
// asks X, queues what comes, and tells the account of the partition how far it
// got.
//
// It decides neither what is repaired, nor when, nor whether a connect may be
// sent: that is for the planner, and for who gives it Dial. It knows no
// connection but its own.
package run

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Runner carries out the jobs of one stream. All its exported fields are
// required. Run may be called from many goroutines.
type Runner struct {
	Stream xapi.Stream
	Client *xapi.Client
	Queue  *delivery.Queue
	// Dial opens a connection for a recovery, once one may be opened.
	Dial     func(context.Context, xapi.Request) (*xapi.Connection, *xapi.Problem)
	Now      func() time.Time // X's
	Observer Observer
	Logger   *slog.Logger

	MaxBatch       int  // lines of a read
	StripOperators bool // take what search does not have out of rules

	pace pace
}

// Observer is told what jobs bring. Its methods must not block.
type Observer interface {
	// Arrived is called after each read that held anything but heartbeats.
	Arrived(partition int, c delivery.Counts)
	// Repaired is called when a job has closed that much of a gap.
	Repaired(partition int, method string, closed time.Duration)
}

// Account is the account of the partition that a job repairs, behind the lock of
// its owner.
type Account interface {
	// Judge is a delivery.Judge.
	Judge(now time.Time, claim *dedupe.Claim, keys []dedupe.Key, verdicts []dedupe.Verdict) ([]dedupe.Verdict, delivery.Settle)
	// Do lets f have the account. Nothing waits in f.
	Do(f func(*account.Account))
}

// job is one job that is being carried out.
type job struct {
	*Runner
	repair.Job
	account Account
	entry   *account.Job // in the account
	decoder *delivery.Decoder
	log     *slog.Logger

	newest   time.Time         // creation of the newest event that came; zero: none
	events   int               // that were new
	stripped map[uint64]string // terms that a search left out, by Post
}

// Run carries a job out to its end, or until ctx ends. It says how the job ended
// and how many new events it brought, once X has noticed.
func (r *Runner) Run(ctx context.Context, what repair.Job, a Account) (outcome repair.Outcome, events int) {
	log := r.Logger.With("stream", r.Stream.Name, "method", string(what.Method), "window", what.Window.String())
	if what.Partition > 0 {
		log = log.With("partition", what.Partition)
	}
	source := delivery.Recovery
	if what.Method == repair.Search {
		source = delivery.Search
	}
	j := &job{
		Runner: r, Job: what, account: a, log: log,
		decoder: delivery.NewDecoder(r.Stream.Format, delivery.Origin{Partition: what.Partition, Source: source}, a.Judge),
	}
	now, began := r.Now(), time.Now()
	a.Do(func(a *account.Account) { j.entry = a.JobBegan(string(what.Method), what.Window, now) })
	if what.Method == repair.Search {
		outcome = j.search(ctx)
	} else {
		outcome = j.recover(ctx)
	}
	a.Do(func(a *account.Account) { a.JobEnded(j.entry) })
	if outcome == repair.Done {
		log.Info("repaired", "events", j.events, "took", time.Since(began).Round(time.Millisecond).String())
	}
	wait.Sleep(ctx, noticing)
	return outcome, j.events
}

// noticing is how long X may take to notice that a connection has ended, and
// that its slot is free.
const noticing = time.Second

// rest is what is to be asked for now.
func (j *job) rest() (rest coverage.Interval) {
	j.account.Do(func(a *account.Account) { rest = a.Rest(j.entry) })
	return rest
}

// progress tells the account how far the job is, and how much of the gap that
// closes.
func (j *job) progress(tell func(*account.Account) (closed time.Duration)) {
	var closed time.Duration
	j.account.Do(func(a *account.Account) { closed = tell(a) })
	if closed > 0 {
		j.Observer.Repaired(j.Partition, string(j.Method), closed)
	}
}

// bring queues what of some lines is new. It waits for room until ctx ends.
func (j *job) bring(ctx context.Context, lines [][]byte) (said *xapi.Problem, err error) {
	out := j.decoder.Decode(lines, j.Now(), delivery.Opening{})
	j.Observer.Arrived(j.Partition, out.Counts)
	for _, n := range out.Counts.New {
		j.events += n
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
	if err := j.Queue.Put(ctx, out.Read); err != nil {
		return nil, fmt.Errorf("waiting for room in the queue: %w", err)
	}
	return out.Problem, nil
}

// tellBroken logs why the job ends before its time.
func (j *job) tellBroken(p *xapi.Problem) {
	log := j.log.With("reason", p.Error(), "reached", j.rest().From.UTC().Format(time.RFC3339))
	if p.Advice != "" {
		log = log.With("what_to_do", p.Advice)
	}
	log.Warn("a repair was broken off")
}
