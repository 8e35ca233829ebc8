package checkpoint

import (
	"context"
	"fmt"
	"time"
)

// A store cannot compare and set, so nothing can keep two processes from
// writing one record. What can be had is that they notice:
//
//   - A live owner counts its mark up at every save. A mark that stands still
//     for three of its owner's intervals is that of a dead process.
//   - Before each write both slots are read. Any mark but one's own, and, while
//     opening, those that were watched until they were dead, ends the writing
//     for good.
//
// Of two that both write, at least one stops at its next save. Let Q's write be
// the latest. P's next read finds it, unless P had read already, and Q's write
// fell between a read of P's and the write that belongs to it. That write is
// then the latest, and Q's next read finds it, unless Q had read already. So
// they miss each other only as long as their saves overlap without a break: as
// long as a save takes longer than the pause until the next. Often both stop,
// for both find a mark; it is left to whoever starts them again to have one
// left.
//
// Several that wait for the same dead mark would all find it dead at the same
// moment. They write the same slot, for they saw the same newest record, so
// the last of them wins; each waits for settle before it looks, and only the
// winner finds its own mark. That needs a store that answers within settle;
// with a slower one, what is said above holds.
//
// A process that stood still (a paused machine) between its read and its write
// writes over the record of the one that took over. Both find out at their next
// save. What the late write brings is older, so what it skips was not yet
// called delivered.
const (
	stillIntervals = 3
	minStill       = 3 * time.Second
	maxStill       = 10 * time.Second

	// stillLooks is how many looks a standstill is made of. Looks are counted,
	// not time: after a pause of the whole machine the clock has gone on, and
	// neither process has.
	stillLooks = 6

	settle = 500 * time.Millisecond
)

// outlive returns the slots once no live process writes them, and whether that
// took watching, so that others may have watched as well.
//
// When a look fails, the caller starts over and so does the watch: a store that
// was away for us was away for the owner.
func (k *Keeper) outlive(ctx context.Context) (s slots, contended bool, err error) {
	s, err = k.look(ctx)
	first := s.newest()
	if err != nil || first == nil || first.Released || first.Owner == k.owner {
		return s, false, err
	}
	still := min(max(stillIntervals*time.Duration(first.IntervalMS)*time.Millisecond, minStill), maxStill)
	k.options.Waiting(fmt.Errorf("checkpoint %q was not released by the process that saved it at %s: watching for %v whether it lives",
		k.key, first.SavedAt.Format(time.RFC3339), still))
	for range stillLooks {
		if err := pause(ctx, still/stillLooks); err != nil {
			return slots{}, false, err
		}
		if s, err = k.look(ctx); err != nil {
			return slots{}, false, err
		}
		switch now := s.newest(); {
		case now == nil: // somebody emptied the store
		case now.Released:
			return s, false, nil
		// A lower number is no life: the newest slot cannot be read just now.
		case now.Owner != first.Owner || now.Sequence > first.Sequence:
			return slots{}, false, k.owned()
		}
	}
	return s, true, nil
}

// look reads the slots, refuses records of another stream, and keeps the newest
// payload: it is not forgotten when the store is emptied before it is opened.
func (k *Keeper) look(ctx context.Context) (slots, error) {
	s, err := look(ctx, k.store, k.key)
	if err != nil {
		return slots{}, err
	}
	for _, one := range s {
		if one.record == nil {
			continue
		}
		if err := foreign(k.key, one.record.Identity, k.options.Identity); err != nil {
			return slots{}, err
		}
	}
	if r := s.newest(); r != nil {
		k.payload = r.Payload
	}
	return s, nil
}

// mine returns an error unless all records in s may be written over: those of
// this keeper, and those of others up to the sequence number past.
func (k *Keeper) mine(s slots, past uint64) error {
	if err := s.check(k.key); err != nil {
		return err
	}
	for _, one := range s {
		if r := one.record; r != nil && r.Owner != k.owner && r.Sequence > past {
			return k.owned()
		}
	}
	return nil
}

func (k *Keeper) owned() error {
	return fmt.Errorf("checkpoint %q %w: stop one of the two, or give one of them another checkpoint_key", k.key, ErrOwned)
}
