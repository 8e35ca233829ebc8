// Package ingest keeps the connections of a stream up, turns what they read
// into batches of new events, and keeps account of which moments have been
// received and delivered.
//
// It knows X (through xapi), windows and ledgers. It does not know Benthos:
// package plugin turns its batches into messages and its [Observer] calls into
// metrics.
package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Config says what to read and within which bounds. Every field is required
// unless its comment gives a zero value a meaning.
type Config struct {
	Client         *xapi.Client
	Stream         xapi.Stream
	ConnectTimeout time.Duration // as the client's; a backfill must reach back over it
	SilenceTimeout time.Duration // 0: off
	MaxLineBytes   int           // as the client's, for the log

	QueueBytes    int64 // events that wait, in bytes
	InFlightBytes int64 // events handed out and unacknowledged, in bytes
	MaxBatch      int   // events

	Overlap        time.Duration // how far before a gap events may be missing
	AlwaysBackfill bool          // ask for five minutes at every reconnect

	DedupeCapacity int
	DedupeMaxAge   time.Duration // 0: none

	// DropRejected makes a rejected batch lost, instead of handing it out
	// again until it is acknowledged.
	DropRejected bool

	Pulse    *Pulse
	Observer Observer
	Logger   *slog.Logger
	// Jitter returns a number in [0, 1); nil: a random one. Each wait is
	// prolonged by that share of a tenth.
	Jitter func() float64
}

// Ingest reads a stream. Its methods may be called from any goroutine.
type Ingest struct {
	cfg      Config
	log      *slog.Logger
	observer Observer
	delivery *delivery
	parts    []*partition

	startOnce sync.Once
	ctx       context.Context
	cancel    context.CancelFunc
	running   sync.WaitGroup

	mu     sync.Mutex
	budget *budget
	skew   time.Duration // X's clock minus ours, as last seen
}

// New makes an Ingest that does nothing until its first Connect.
func New(cfg Config) (*Ingest, error) {
	window, err := dedupe.NewWindow(cfg.DedupeCapacity, cfg.DedupeMaxAge)
	if err != nil {
		return nil, err
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	ctx, cancel := context.WithCancel(context.Background())
	in := &Ingest{
		cfg: cfg, log: cfg.Logger, observer: cfg.Observer,
		parts:  []*partition{newPartition(0, cfg.Overlap, cfg.AlwaysBackfill, window)},
		budget: newBudget(cfg.Stream.Connects),
		ctx:    ctx, cancel: cancel,
	}
	in.delivery = newDelivery(cfg.QueueBytes, cfg.InFlightBytes, cfg.MaxBatch, in.bound)
	return in, nil
}

// Connect returns nil once there is something to read or to wait for. When an
// attempt to connect fails first it returns the reason; the next attempt is
// under way on its own schedule, so the caller need not wait before it calls
// again.
func (in *Ingest) Connect(ctx context.Context) error {
	in.startOnce.Do(in.start)
	return in.delivery.ready(ctx)
}

func (in *Ingest) start() {
	in.running.Go(func() { in.cfg.Pulse.run(in.ctx, in.account) })
	for _, p := range in.parts {
		in.running.Go(func() { newConnection(in, p).run(in.ctx) })
	}
}

// Next returns the next batch, waiting only when there is none. It returns
// ErrIdle when there is nothing to wait for either.
func (in *Ingest) Next(ctx context.Context) (*Batch, error) { return in.delivery.next(ctx) }

// Acknowledge records that the output has taken all of b.
func (in *Ingest) Acknowledge(b *Batch) {
	for _, r := range b.Reads {
		r.resolve()
	}
	in.delivery.done(b, true)
}

// Reject records that the output has refused b, or a part of it: b is handed
// out again as a whole, or counted as lost with DropRejected.
func (in *Ingest) Reject(b *Batch, reason error) {
	if !in.cfg.DropRejected {
		in.delivery.retry(b, time.Now())
		return
	}
	b.Claim.Reject()
	for _, r := range b.Reads {
		r.claim.Reject()
		r.resolve()
	}
	in.observer.Rejected(b.events)
	in.log.Error("events are lost", "events", b.events, "reason", "rejected by output", "error", reason.Error())
	in.delivery.done(b, false)
}

// Close ends all connections and waits until nothing runs any more, or ctx
// ends. It does not wait for acknowledgements.
func (in *Ingest) Close(ctx context.Context) error {
	in.cancel()
	stopped := make(chan struct{})
	go func() {
		in.running.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing the connections: %w", ctx.Err())
	}
}

// dial opens a connection at the cost of one connect of the budget. It waits
// when the budget is spent.
func (in *Ingest) dial(ctx context.Context, r xapi.Request) (*xapi.Connection, *xapi.Problem) {
	sleep(ctx, in.mayConnect())
	conn, err := in.cfg.Client.Open(ctx, r)
	if err != nil {
		p := asProblem(err)
		if !p.Date.IsZero() {
			in.setSkew(xapi.Skew(p.Date, time.Now()))
		}
		if p.Sent {
			in.spent(p.Limits)
		}
		return nil, p
	}
	in.setSkew(conn.Skew())
	in.spent(conn.Limits())
	return conn, nil
}

// mayConnect is how long the budget holds the next connect back.
func (in *Ingest) mayConnect() time.Duration {
	now := in.now()
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.budget.next(now).Sub(now)
}

func (in *Ingest) spent(limits xapi.Limits) {
	now := in.now()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.budget.spent(now, limits)
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

// connected counts a connection that came up (by 1) or went down (by -1).
func (in *Ingest) connected(p *partition, by int) {
	in.observer.Connected(p.number, p.connected(by))
	in.delivery.connected(by)
}

// account reports the state of all partitions, once a second.
func (in *Ingest) account() {
	for _, p := range in.parts {
		in.observer.Accounted(p.number, p.account(in.now()))
	}
	in.observer.Held(in.delivery.size())
}

func (in *Ingest) bound() {
	in.log.Warn("in_flight_bytes holds the stream up: the output has been handed that much and has acknowledged none of it for a while; " +
		"raise in_flight_bytes, lower the output's batching.count, byte_size or period, or find out why the output is slow")
}
