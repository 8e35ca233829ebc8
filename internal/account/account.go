// Package account knows of one partition of a stream what was received, what of
// it was delivered, how that is proven, and what is missing.
//
// An [Account] is told what happened (a connection opened, a read arrived, a
// proof came, a batch was settled, a repair brought something) and asked what to
// do about it (which gaps there are, how many minutes of backfill to ask for,
// what to save). It decides by the times that it is given, which are X's. It has
// no lock, clock, context, log or goroutine, and knows neither X's API nor who
// reads, delivers, repairs or saves: whoever owns it calls it from one goroutine
// at a time.
package account

import (
	"fmt"
	"time"

	acks "github.com/Jeffail/checkpoint"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

// Config is what an account goes by.
type Config struct {
	// Overlap is how long before a gap events may be missing: the longest delay
	// of a delivery, as far as is known. Measured lateness raises it.
	Overlap time.Duration
	// Heartbeat is the longest time in which X sends at least a byte.
	Heartbeat time.Duration
	// DataOnly: heartbeats prove nothing, see Watermark.
	DataOnly bool
	// AlwaysMost: a backfill is asked for as long as X serves it.
	AlwaysMost bool
	// Recovers: recovery connections may close what a backfill does not reach.
	Recovers bool
	// Capacity bounds the keys of the window, and those that are pinned.
	Capacity int
	// MaxAge bounds the age of the window's keys; 0: none.
	MaxAge time.Duration
}

// Account is the account of one partition.
type Account struct {
	cfg    Config
	window *dedupe.Window
	pins   pins

	ledger   *coverage.Ledger // nil before the first attempt to connect
	lateness lateness
	marks    []*Watermark // of the connections that are up
	jobs     []*Job       // that are running

	// A read's coverage counts as delivered once the output has settled it and
	// all reads before it: unsettled finds that moment.
	unsettled *acks.Uncapped[uint64]
	seq       uint64 // of the latest read that is tracked
	steps     []step

	edges edges // of what was received
}

// New makes the account of a partition that nobody has tried to read. A capacity
// below one is an error.
func New(cfg Config) (*Account, error) {
	window, err := dedupe.NewWindow(cfg.Capacity, cfg.MaxAge)
	if err != nil {
		return nil, fmt.Errorf("making an account: %w", err)
	}
	return &Account{cfg: cfg, window: window, unsettled: acks.NewUncapped[uint64]()}, nil
}

// Begin opens the account, unless it is open: what X sends from at on is owed.
func (a *Account) Begin(at time.Time) {
	if a.ledger == nil {
		a.ledger = coverage.NewLedger(at)
	}
}

// Owe opens the account for an attempt to connect that failed or has to wait:
// from then on, and what was on its way, is owed.
func (a *Account) Owe(at time.Time) { a.Begin(at.Add(-a.cfg.Overlap)) }

// Late measures how late live events arrived after their creation.
func (a *Account) Late(late []time.Duration) {
	for _, d := range late {
		a.lateness.add(d)
	}
}

// margin is how long before a moment at which coverage ends events may be
// missing: they were on their way.
func (a *Account) margin() time.Duration {
	return max(a.cfg.Overlap, a.lateness.percentile999())
}
