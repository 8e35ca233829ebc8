package ingest

import (
	"slices"
	"sync"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/repair/run"
)

// partition is the account of one partition behind a lock.
type partition struct {
	number   int
	keeper   Keeper    // nil: not open; set before anything else runs
	gapSince time.Time // the log has told of a gap; guarded by Ingest.planning

	mu      sync.Mutex // guards what follows
	account *account.Account
	savedAt time.Time // of the checkpoint; zero: not yet
}

func newPartition(number int, cfg Config, share int) (*partition, error) {
	a, err := account.New(account.Config{
		Overlap: cfg.Overlap, Heartbeat: cfg.Stream.Heartbeat, DataOnly: cfg.SilenceTimeout > 0,
		AlwaysMost: cfg.AlwaysBackfill, Recovers: slices.Contains(cfg.Repair.Methods, repair.Recovery),
		Capacity: share, MaxAge: cfg.DedupeMaxAge,
	})
	if err != nil {
		return nil, err
	}
	return &partition{number: number, account: a}, nil
}

var _ run.Account = (*partition)(nil)

// Do lets f have the account. Nothing waits in f: it neither logs nor closes
// anything, nor takes another lock.
func (p *partition) Do(f func(*account.Account)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.account)
}

// Judge tells which events of a read are new, and returns what settles them.
func (p *partition) Judge(now time.Time, claim *dedupe.Claim, keys []dedupe.Key, verdicts []dedupe.Verdict) ([]dedupe.Verdict, delivery.Settle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	verdicts, ticket := p.account.Judge(now, claim, keys, verdicts)
	if !ticket.Any() {
		return verdicts, nil
	}
	return verdicts, func(r *delivery.Read, fate delivery.Fate) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if fate == delivery.Rejected {
			oldest, newest := r.Created()
			p.account.Refused(oldest, newest, len(r.Events))
		}
		p.account.Settled(ticket)
	}
}

// opened tells the account of a connection, and returns its watermark and the
// gaps that it will not close.
func (p *partition) opened(at time.Time, backfill time.Duration) (w *account.Watermark, gaps []coverage.Interval) {
	p.Do(func(a *account.Account) {
		a.Begin(at)
		w = a.Opened(at, backfill)
		gaps = a.Gaps(at)
	})
	return w, gaps
}

// proved moves the watermark of a connection, and returns the gaps that its
// backfill has closed by that. late is how late events arrived since the last
// proof.
func (p *partition) proved(w *account.Watermark, proof time.Time, late []time.Duration) (closed []coverage.Interval) {
	p.mu.Lock()
	defer p.mu.Unlock()
	closed = p.account.Proved(w, proof)
	p.account.Late(late)
	return closed
}

func (p *partition) ended(w *account.Watermark) {
	p.Do(func(a *account.Account) { a.Ended(w) })
}

// owe opens the account for an attempt to connect that began at a moment.
func (p *partition) owe(at time.Time) {
	p.Do(func(a *account.Account) { a.Owe(at) })
}

// settled reports whether a connection has no backfill under way.
func (p *partition) settled(w *account.Watermark) (settled bool) {
	p.Do(func(*account.Account) { settled = w.Settled() })
	return settled
}

// minutes is how many minutes of backfill a connect asks for.
func (p *partition) minutes(now time.Time, connecting time.Duration) (minutes int) {
	p.Do(func(a *account.Account) { minutes = a.Backfill(now, connecting) })
	return minutes
}

// pin keeps the keys around gaps, and looks for them a piece of the window at a
// time: nobody waits for a look through all of it.
func (p *partition) pin(gaps []coverage.Interval) {
	if len(gaps) == 0 {
		return
	}
	p.eachPiece(func(a *account.Account, piece int) { a.Pin(piece, gaps) })
}

// eachPiece lets f look at the pieces of the window, each for itself.
func (p *partition) eachPiece(f func(a *account.Account, piece int)) {
	for piece, more := 0, true; more; piece++ {
		p.Do(func(a *account.Account) {
			if more = piece < a.Pieces(); more {
				f(a, piece)
			}
		})
	}
}

// status sums the account up, and lets pins go that are not needed any more.
func (p *partition) status(now time.Time) (s Status) {
	p.Do(func(a *account.Account) {
		a.Unpin(now)
		s = Status{a.Status(now), p.savedAt}
	})
	return s
}

// remembers is how far back the window remembers.
func (p *partition) remembers(now time.Time) (reach time.Duration, forgets bool) {
	p.Do(func(a *account.Account) { reach, forgets = a.Remembers(now) })
	return reach, forgets
}

// Status is a summary of a partition.
type Status struct {
	account.Status
	Saved time.Time // the checkpoint; zero: there is none
}
