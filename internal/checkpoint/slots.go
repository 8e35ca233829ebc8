package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A record lives in two slots, and a save never writes the one that holds the
// newest good record: a write that is cut leaves the other.
//
// A third key, the record's own without a suffix, is the sign that both slots
// have been written and read back. It is set before Open returns, so before
// anything can be delivered. It is needed for what the slots alone cannot say.
// A crash in the very first write leaves one slot damaged and the other
// missing; so does a store that loses one slot and damages the other after
// months. The first must start like new, or its user could never start; the
// second must never, or everything since its last save would be skipped without
// a word. What each state means when neither slot can be read:
//
//	slots                  no sign                      the sign stands
//	both missing           never opened                 damaged: the record has gone
//	one damaged, one       never opened: the opening    damaged
//	missing                was cut in its first write
//	both damaged           damaged                      damaged
//
// Where a slot can be read, the sign is not looked at.

// slot is what stood under one of the two keys.
type slot struct {
	key    string
	record *record // nil: nothing that can be read
	err    error   // why not; ErrNotFound: nothing is there
}

type slots [2]slot

func readSlots(ctx context.Context, store Store, key string) (slots, error) {
	s := slots{{key: key + ".a"}, {key: key + ".b"}}
	for n := range s {
		value, err := store.Get(ctx, s[n].key)
		switch {
		case errors.Is(err, ErrNotFound):
			s[n].err = ErrNotFound
		case err != nil:
			return slots{}, err
		default:
			s[n].record, s[n].err = decode(value)
		}
	}
	return s, nil
}

// newest is the good record with the higher sequence number, nil when there is
// no good one.
func (s slots) newest() *record {
	a, b := s[0].record, s[1].record
	if a == nil || b != nil && b.Sequence > a.Sequence {
		return b
	}
	return a
}

// sequence is that of the newest record, 0 when there is none.
func (s slots) sequence() uint64 {
	if r := s.newest(); r != nil {
		return r.Sequence
	}
	return 0
}

// next is the key to write to: never that of the newest record.
func (s slots) next() string {
	if r := s.newest(); r != nil && r == s[0].record {
		return s[1].key
	}
	return s[0].key
}

// check returns ErrNewer when a slot is of a newer version: an older record in
// the other slot must not win over what came after it.
func (s slots) check(key string) error {
	for _, one := range s {
		if one.record != nil && one.record.Version > version {
			return fmt.Errorf("checkpoint %q %w (layout %d, known here: %d): run that version, or use another checkpoint_key",
				key, ErrNewer, one.record.Version, version)
		}
	}
	return nil
}

// missing reports whether a slot was never written.
func (s slots) missing() bool {
	return errors.Is(s[0].err, ErrNotFound) || errors.Is(s[1].err, ErrNotFound)
}

func (s slots) damaged(key string) error {
	return fmt.Errorf("checkpoint %q %w (%q %v, %q %v): restore one of the two, or delete them and %q to start from now and lose what came since the last save",
		key, ErrDamaged, s[0].key, s[0].err, s[1].key, s[1].err, key)
}

// How often and at which distance slots that cannot be read are read again. Not
// every store replaces a value in one step, and one that is being written looks
// like one that was cut.
const (
	looks     = 4
	lookAgain = 100 * time.Millisecond
)

// look reads both slots. It returns slots without a record when the checkpoint
// was never opened.
func look(ctx context.Context, store Store, key string) (slots, error) {
	for n := 1; ; n++ {
		s, err := readSlots(ctx, store, key)
		if err != nil {
			return slots{}, err
		}
		if err := s.check(key); err != nil || s.newest() != nil {
			return s, err
		}
		opened, err := signed(ctx, store, key)
		if err != nil || !opened && s.missing() {
			return s, err
		}
		if n == looks {
			return slots{}, s.damaged(key)
		}
		if err := pause(ctx, lookAgain); err != nil {
			return slots{}, err
		}
	}
}

// signed reports whether the sign stands. A sign that was cut stands too: it is
// set when both slots are good.
func signed(ctx context.Context, store Store, key string) (bool, error) {
	_, err := store.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// sign sets the sign, unless it stands. What it says is for people only.
func sign(ctx context.Context, store Store, key string) error {
	if opened, err := signed(ctx, store, key); err != nil || opened {
		return err
	}
	return store.Set(ctx, key, fmt.Appendf(nil, `{"slots":[%q,%q]}`, key+".a", key+".b"))
}
