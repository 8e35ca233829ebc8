// Package ingest is what has goroutines: it keeps the connections of a stream
// up, judges and queues what they read, lets gaps be repaired, and saves the
// accounts.
//
// It knows X (through xapi), and owns the accounts, the admission, the queue and
// the planner, which decide. It does not know Benthos: package plugin turns its
// batches into messages and its [Observer] calls into metrics.
//
// Its locks are taken in this order: Ingest.planning, Ingest.mu, partition.mu.
// Those of the queue, of a run.Runner and of the stall detector are taken alone.
// Nothing waits under a lock: no log line, no closing, no marshalling, and no
// look through a whole window.
package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/admission"
	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/repair/run"
	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

const (
	// spread is the time between the first connects of two connections.
	spread = 50 * time.Millisecond
	// accounting is the time between two looks at the state of all partitions.
	accounting = time.Second
	// forgettingEvery bounds how often a window that is too small is logged.
	forgettingEvery = time.Hour
)

// Config says what to read and within which bounds. Every field is required
// unless its comment gives a zero value a meaning.
type Config struct {
	// Clients are the ways to X. Connection i of a partition takes the i-th,
	// and the first again after the last.
	Clients        []*xapi.Client
	Stream         xapi.Stream
	Partitions     []int         // empty: those of the stream
	Connections    int           // to each partition
	ConnectTimeout time.Duration // as the client's; a backfill must reach back over it
	SilenceTimeout time.Duration // 0: off
	MaxLineBytes   int           // as the client's, for the log

	QueueBytes    int64 // events that wait, in bytes
	InFlightBytes int64 // events handed out and unacknowledged, in bytes
	MaxBatch      int   // events

	Overlap        time.Duration // how far before a gap events may be missing
	AlwaysBackfill bool          // ask for five minutes at every backfill
	Repair         repair.Config // what backfill does not bring
	// Checkpoints is where to go on from after a restart; nil: from now.
	Checkpoints *Checkpoints
	// StartFrom is what to begin with where there is no checkpoint; zero: now.
	StartFrom      time.Time
	StripOperators bool // take what search does not have out of rules

	DedupeCapacity int           // keys, for all partitions together
	DedupeMaxAge   time.Duration // 0: none

	// DropRejected makes a rejected batch lost, instead of handing it out
	// again until it is acknowledged.
	DropRejected bool

	Stalls   *StallDetector
	Observer Observer
	Logger   *slog.Logger
	// Jitter returns a number in [0, 1); nil: a random one. Each wait is
	// prolonged by that share of a tenth.
	Jitter func() float64
}

// Ingest reads a stream. Its methods may be called from any goroutine.
type Ingest struct {
	cfg         Config
	log         *slog.Logger
	observer    Observer
	queue       *delivery.Queue
	parts       []*partition
	connections []*connection

	forgetting time.Time // when a window that is too small was last logged; of the accounting

	startOnce sync.Once
	ctx       context.Context
	cancel    context.CancelFunc
	running   sync.WaitGroup

	runner *run.Runner

	planning      sync.Mutex // guards what follows, and the gapSince of partitions
	planner       *repair.Planner
	refusalLogged bool // that X refuses backfill

	mu           sync.Mutex                // guards what follows
	skew         time.Duration             // X's clock minus ours, as last seen
	admission    *admission.Admission      // made at the start
	waiting      map[*connection]time.Time // for the connect budget, and until when
	waitingSince time.Time
	namedWaiting []int       // partitions of them that the log has named; nil: nothing was said
	changed      wait.Signal // of admission
}

// New makes an Ingest that does nothing until its first Connect.
func New(cfg Config) (*Ingest, error) {
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	ctx, cancel := context.WithCancel(context.Background())
	in := &Ingest{
		cfg: cfg, log: cfg.Logger, observer: cfg.Observer,
		waiting: map[*connection]time.Time{}, planner: repair.New(cfg.Repair),
		ctx: ctx, cancel: cancel,
	}
	numbers := cfg.Stream.Select(cfg.Partitions)
	for _, n := range numbers {
		p, err := newPartition(n, cfg, cfg.DedupeCapacity/len(numbers))
		if err != nil {
			cancel()
			return nil, err
		}
		if !cfg.StartFrom.IsZero() {
			p.Do(func(a *account.Account) { a.Begin(cfg.StartFrom) })
		}
		in.parts = append(in.parts, p)
	}
	in.queue = delivery.NewQueue(cfg.QueueBytes, cfg.InFlightBytes, cfg.MaxBatch, in.bound)
	in.runner = &run.Runner{
		Stream: cfg.Stream, Client: cfg.Clients[0], Queue: in.queue, Dial: in.dialRepair, Now: in.now,
		Observer: cfg.Observer, Logger: cfg.Logger, MaxBatch: cfg.MaxBatch, StripOperators: cfg.StripOperators,
	}
	return in, nil
}

// Connect returns nil once there is something to read or to wait for. When an
// attempt to connect fails first it returns the reason; the next attempt is
// under way on its own schedule, so the caller need not wait before it calls
// again.
func (in *Ingest) Connect(ctx context.Context) error {
	in.startOnce.Do(in.start)
	return in.queue.Ready(ctx)
}

// start sets everything going: the connections a little apart, and the first
// of every partition before any second.
func (in *Ingest) start() {
	var numbers []int
	for _, p := range in.parts {
		numbers = append(numbers, p.number)
	}
	in.admission = admission.New(in.cfg.Stream.Connects, numbers, in.cfg.Connections, in.now())
	for n := range in.cfg.Connections {
		for _, p := range in.parts {
			in.connections = append(in.connections, newConnection(in, p, n+1))
		}
	}
	in.running.Go(func() { in.cfg.Stalls.run(in.ctx) })
	in.running.Go(in.account)
	in.running.Go(in.connect)
}

// connect goes on from the checkpoints, and then sets the connections going. A
// stream is never opened from now instead.
func (in *Ingest) connect() {
	if err := in.Restore(in.ctx); err != nil {
		in.giveUp(err)
	}
	if in.ctx.Err() != nil {
		return
	}
	for _, p := range in.parts {
		if p.keeper != nil {
			in.running.Go(func() { in.keep(in.ctx, p) })
		}
	}
	for n, c := range in.connections {
		in.running.Go(func() {
			wait.Sleep(in.ctx, time.Duration(n)*spread)
			c.run(in.ctx)
		})
	}
}

// Next returns the next batch, waiting only when there is none. It returns
// delivery.ErrIdle when there is nothing to wait for either.
func (in *Ingest) Next(ctx context.Context) (*delivery.Batch, error) { return in.queue.Next(ctx) }

// Acknowledge records that the output has taken all of b.
func (in *Ingest) Acknowledge(b *delivery.Batch) { in.queue.Acknowledge(b) }

// Again hands b out again, for nobody knows what became of it.
func (in *Ingest) Again(b *delivery.Batch) { in.queue.Retry(b, time.Now()) }

// Reject records that the output has refused b, or a part of it: b is handed
// out again as a whole, or counted as lost with DropRejected.
func (in *Ingest) Reject(b *delivery.Batch, reason error) {
	if !in.cfg.DropRejected {
		in.Again(b)
		return
	}
	in.queue.Drop(b)
	in.observer.Rejected(b.Len())
	in.log.Error("events are lost", "events", b.Len(), "reason", "rejected by output", "error", reason.Error())
}

// Close ends all connections, waits until nothing runs any more, and saves the
// checkpoints a last time, unless ctx ends before. It does not wait for
// acknowledgements.
func (in *Ingest) Close(ctx context.Context) error {
	in.cancel()
	stopped := make(chan struct{})
	go func() {
		in.running.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		return in.release(ctx)
	case <-ctx.Done():
		return fmt.Errorf("closing the connections: %w", ctx.Err())
	}
}

func (in *Ingest) setSkew(skew time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.skew = skew
}

// now is X's time, as far as it is known.
func (in *Ingest) now() time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	return wall(time.Now()).Add(in.skew)
}

// account takes stock once a second, until the Ingest is closed.
func (in *Ingest) account() {
	tick := time.NewTicker(accounting)
	defer tick.Stop()
	for {
		in.takeStock()
		select {
		case <-tick.C:
		case <-in.ctx.Done():
			return
		}
	}
}

// takeStock reports the state of all partitions, and lets their gaps be repaired.
func (in *Ingest) takeStock() {
	now := in.now()
	for _, p := range in.parts {
		s := p.status(now)
		if in.ctx.Err() != nil {
			return // connections that we end leave gaps that nobody has to see
		}
		in.observer.Accounted(p.number, s)
	}
	in.observer.Buffered(in.queue.Size())
	in.observer.Left(in.connectsLeft(now))
	in.repairGaps()
	in.tellWaiting(now)
	in.tellForgetting(now)
}

// tellForgetting warns of a window that remembers less than a backfill brings
// again.
func (in *Ingest) tellForgetting(now time.Time) {
	if !in.forgetting.IsZero() && now.Sub(in.forgetting) < forgettingEvery {
		return
	}
	for _, p := range in.parts {
		reach, forgets := p.remembers(now)
		if !forgets || reach >= account.MaxBackfill {
			continue
		}
		in.forgetting = now
		in.log.Warn("the dedupe window remembers less than a backfill may bring again, so repeats can pass after a disconnection; "+
			"raise dedupe.capacity (and dedupe.max_age, if it is set)", "stream", in.cfg.Stream.Name,
			"remembers", reach.Round(time.Second).String(), "backfill_reaches_back", account.MaxBackfill.String(), "capacity", in.cfg.DedupeCapacity)
		return
	}
}

func (in *Ingest) connectsLeft(now time.Time) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.admission.Left(now)
}

// logOf is the log for what concerns a partition.
func (in *Ingest) logOf(partition int) *slog.Logger {
	log := in.log.With("stream", in.cfg.Stream.Name)
	if partition > 0 {
		log = log.With("partition", partition)
	}
	return log
}

func (in *Ingest) bound() {
	in.log.Warn("in_flight_bytes holds the stream up: the output has been handed that much and has acknowledged none of it for a while; " +
		"raise in_flight_bytes, lower the output's batching.count, byte_size or period, or find out why the output is slow")
}
