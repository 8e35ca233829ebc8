package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

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

// Record is what is kept of a partition.
type Record struct {
	coverage.Record
	// Frontier is the end of what live connections brought and the output has
	// acknowledged: there the gap begins that a restart finds.
	Frontier time.Time `json:"frontier,omitzero"`
	// Jobs are those that were running.
	Jobs []Work `json:"jobs,omitempty"`
	// Keys are those of delivered events that a repair of the gaps may bring
	// again, packed. Only a graceful stop saves them.
	Keys []byte `json:"keys,omitempty"`
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
		start = in.now().Add(-p.overlap)
	}
	record := Record{Record: coverage.NewLedger(start).Record()}.marshal()
	for range 2 { // into both slots: either may be torn later
		if err := k.Save(ctx, record); err != nil {
			return fmt.Errorf("saving the start: %w", err)
		}
	}
	return nil
}

// resume goes on from what was saved last.
func (in *Ingest) resume(saved []byte, p *partition) error {
	var r Record
	if err := json.Unmarshal(saved, &r); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	if err := p.restore(r, in.now()); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	in.logOf(p.number).Info("going on from the checkpoint", "delivered_until", r.End().UTC().Format(time.RFC3339))
	return nil
}

// restore goes on from a record.
func (p *partition) restore(r Record, now time.Time) error {
	keys, err := dedupe.Unpack(r.Keys)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ledger = r.Ledger()
	p.frontier = r.Frontier
	if !p.frontier.IsZero() {
		p.reopen(coverage.Interval{From: p.frontier.Add(-p.margin()), To: p.frontier})
	}
	p.holdKeys(p.window.Restore(now, keys))
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
		record, _ := p.record(in.now(), false)
		err := p.keeper.Save(ctx, record)
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
			record, left := p.record(in.now(), true)
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

// record writes down the partition's state; nil: there is none yet. left is
// the number of keys that had no room.
func (p *partition) record(now time.Time, withKeys bool) (record []byte, left int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger == nil {
		return nil, 0
	}
	r := Record{Record: p.ledger.Record(), Frontier: p.frontier}
	for _, w := range p.works {
		r.Jobs = append(r.Jobs, *w)
	}
	if withKeys {
		r.Keys, left = dedupe.Pack(p.repeatable(r.Gaps(now)), keysMax)
	}
	return r.marshal(), left
}

func (r Record) marshal() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // times, texts and numbers always marshal
	}
	return b
}

// repeatable are the keys of delivered events that a repair of those gaps may
// bring again. A key of what is not acknowledged among them would be a silent
// loss.
func (p *partition) repeatable(gaps []coverage.Interval) []dedupe.Key {
	var keys []dedupe.Key
	for k, claim := range p.held {
		if claim.Acknowledged() {
			keys = append(keys, k)
		}
	}
	for piece := range p.window.Pieces() {
		for _, s := range p.window.Look(piece, around(gaps)) {
			if s.Claim.Acknowledged() {
				keys = append(keys, s.Key)
			}
		}
	}
	return keys
}

func (p *partition) saved(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.savedAt = at
}
