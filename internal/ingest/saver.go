package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

// keysMax bounds the keys that a graceful stop saves, in bytes.
const keysMax = 256 << 10

// Keeper keeps the record of one partition. Its methods are not called at the
// same time.
type Keeper interface {
	// Save writes a record; nil stands for the last one, to show that this
	// process lives.
	Save(ctx context.Context, record []byte) error
	// Release is the last Save.
	Release(ctx context.Context, record []byte) error
}

// Checkpoints keep what was delivered across a restart.
type Checkpoints struct {
	// Open takes the record of a partition and returns what was saved in it
	// last, nil when nothing ever was. It waits, and says so, for a store that
	// cannot be reached.
	Open func(ctx context.Context, partition int, waiting func(error)) (k Keeper, record []byte, err error)
	// Fatal says that a keeper's error is one that no waiting changes: the
	// record is not this process's any more.
	Fatal    func(error) bool
	Interval time.Duration
}

// Restore opens the checkpoints and goes on from what they hold. It returns an
// error that no waiting changes. When ctx ends while a store cannot be reached
// it returns nil: what is left is opened before the first connect.
func (in *Ingest) Restore(ctx context.Context) error {
	if in.cfg.Checkpoints == nil {
		return nil
	}
	errs := make([]error, len(in.parts))
	var opening sync.WaitGroup
	for n, p := range in.parts {
		if p.keeper == nil {
			opening.Go(func() { errs[n] = in.restore(ctx, p) })
		}
	}
	opening.Wait()
	for _, err := range errs {
		if err != nil && in.cfg.Checkpoints.Fatal(err) {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(errs...)
}

// restore opens the checkpoint of a partition. The start is saved before the
// first connect, so that a crash before the next save does not start from now
// again.
func (in *Ingest) restore(ctx context.Context, p *partition) error {
	k, saved, err := in.cfg.Checkpoints.Open(ctx, p.number, func(reason error) {
		in.logOf(p.number).Warn("waiting for the checkpoint", "reason", reason.Error())
	})
	if err != nil {
		return err
	}
	if saved == nil {
		err = in.saveStart(ctx, k, p)
	} else {
		err = in.resume(saved, p)
	}
	if err != nil {
		return fmt.Errorf("checkpoint of partition %d: %w", p.number, err)
	}
	p.keeper = k
	return nil
}

// saveStart saves an account in which everything is owed from the start on.
func (in *Ingest) saveStart(ctx context.Context, k Keeper, p *partition) error {
	start := in.cfg.StartFrom
	if start.IsZero() {
		// What is on its way now is owed as well.
		start = in.now().Add(-in.cfg.Overlap)
	}
	record := marshal(account.Record{Snapshot: coverage.NewLedger(start).Snapshot()})
	for range 2 { // into both slots: either may be torn later
		if err := k.Save(ctx, record); err != nil {
			return fmt.Errorf("saving the start: %w", err)
		}
	}
	return nil
}

// resume goes on from what was saved last.
func (in *Ingest) resume(saved []byte, p *partition) error {
	var r account.Record
	if err := json.Unmarshal(saved, &r); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	var err error
	now := in.now()
	p.Do(func(a *account.Account) { err = a.Restore(r, now) })
	if err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	in.logOf(p.number).Info("going on from the checkpoint", "delivered_until", r.End().UTC().Format(time.RFC3339))
	return nil
}

// keep saves a partition's record until ctx ends.
func (in *Ingest) keep(ctx context.Context, p *partition) {
	tick := time.NewTicker(in.cfg.Checkpoints.Interval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := p.keeper.Save(ctx, p.record())
		switch {
		case err == nil:
			p.saved(in.now())
			failing = false
		case ctx.Err() != nil:
			return
		case in.cfg.Checkpoints.Fatal(err):
			in.giveUp(err)
			return
		case !failing:
			failing = true
			in.logOf(p.number).Warn("the checkpoint cannot be saved: a restart would go back to the last one that was", "reason", err.Error())
		}
	}
}

// giveUp ends the stream for a reason that no waiting changes.
func (in *Ingest) giveUp(err error) {
	in.log.Error("the stream is closed", "stream", in.cfg.Stream.Name, "reason", err.Error())
	in.queue.Failed(err)
	in.cancel()
}

// release saves all records a last time, with the keys that keep a restart
// from repeating what was delivered.
func (in *Ingest) release(ctx context.Context) error {
	errs := make([]error, len(in.parts))
	var releasing sync.WaitGroup
	for n, p := range in.parts {
		if p.keeper == nil {
			continue
		}
		releasing.Go(func() {
			record, left := p.lastRecord()
			if left > 0 {
				in.logOf(p.number).Warn("a restart may repeat some events: the keys of what was delivered last do not all fit into the checkpoint", "events", left)
			}
			errs[n] = p.keeper.Release(ctx, record)
		})
	}
	releasing.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("saving the checkpoint a last time: %w", err)
	}
	return nil
}

// record is what is to be kept of the partition; nil: there is nothing yet.
func (p *partition) record() []byte {
	var r account.Record
	var open bool
	p.Do(func(a *account.Account) { r, open = a.Record() })
	if !open {
		return nil
	}
	return marshal(r)
}

// lastRecord is a record with the keys that keep a restart from repeating what
// was delivered; left is the number of those that had no room.
func (p *partition) lastRecord() (record []byte, left int) {
	var r account.Record
	var open bool
	var keys []dedupe.Key
	p.Do(func(a *account.Account) {
		r, open = a.Record()
		keys = a.Pinned(nil)
	})
	if !open {
		return nil, 0
	}
	periods := r.Repeatable()
	p.eachPiece(func(a *account.Account, piece int) { keys = a.Delivered(keys, piece, periods) })
	r.Keys, left = dedupe.Pack(keys, keysMax)
	return marshal(r), left
}

func marshal(r account.Record) []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // times, texts and numbers always marshal
	}
	return b
}

func (p *partition) saved(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.savedAt = at
}
