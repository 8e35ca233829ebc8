package checkpoint

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// MaxInterval is the longest time that may lie between two saves: three of
	// them must pass before a silent process counts as dead, and a restart
	// after a crash should not wait for longer than ten seconds.
	MaxInterval = 3 * time.Second

	// MaxPayload bounds a payload, in bytes.
	MaxPayload = 1 << 20

	retryFirst = 250 * time.Millisecond // between two tries to open: doubling
	retryLast  = 5 * time.Second
)

// Options are what Open needs to know.
type Options struct {
	Identity Identity

	// Interval is how often Save will be called: above 0, at most MaxInterval.
	Interval time.Duration

	// Waiting is told why Open waits, each time that it does. May be nil.
	Waiting func(reason error)
}

// Keeper writes one record as long as nobody else does. It is not safe for
// concurrent use.
type Keeper struct {
	store   Store
	key     string
	options Options
	owner   string // random, so that no two processes share one

	sequence uint64 // of the last write, also of one that failed
	payload  json.RawMessage
	ended    error // why nothing is written any more
}

// Open takes the record under key and returns what was saved in it last, nil
// when nothing ever was. When it returns, the store has shown that it keeps
// what it is given.
//
// A caller for which nothing was saved must save its start before it connects
// to anything: a crash before the first save starts from now again.
//
// Open waits for a store that fails until ctx ends, and for three intervals of
// the last owner (at least 3 s) when that one did not release the record. It
// returns ErrOwned when that owner lives, and ErrDamaged, ErrForeign or
// ErrNewer when the record cannot be this caller's.
func Open(ctx context.Context, store Store, key string, o Options) (k *Keeper, payload []byte, err error) {
	if o.Interval <= 0 || o.Interval > MaxInterval {
		return nil, nil, fmt.Errorf("checkpoint %q: an interval of %v is not above 0 and at most %v: three must pass before a crashed process is taken for dead",
			key, o.Interval, MaxInterval)
	}
	if o.Waiting == nil {
		o.Waiting = func(error) {}
	}
	k = &Keeper{store: timed{store}, key: key, options: o, owner: rand.Text()}
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		err := k.open(ctx)
		if err == nil {
			return k, k.payload, nil
		}
		if Final(err) {
			return nil, nil, err
		}
		if ctx.Err() == nil {
			o.Waiting(fmt.Errorf("checkpoint %q: %w", key, err))
		}
		if cause := pause(ctx, wait); cause != nil {
			return nil, nil, fmt.Errorf("checkpoint %q was not opened: %w (%v)", key, cause, err)
		}
	}
}

// open writes the newest payload into both slots under a new mark, and reads it
// back. So a store that is read-only, full, or changes what it is given, is
// noticed before the first connect, and both slots exist before there is
// anything to lose.
func (k *Keeper) open(ctx context.Context) error {
	s, contended, err := k.outlive(ctx)
	if err != nil {
		return err
	}
	past := s.sequence()
	if err := k.write(ctx, past, false); err != nil {
		return err
	}
	if contended {
		if err := pause(ctx, settle); err != nil {
			return err
		}
	}
	if err := k.write(ctx, past, false); err != nil {
		return err
	}
	if err := k.verify(ctx, past); err != nil {
		return err
	}
	return sign(ctx, k.store, k.key)
}

// verify checks that both slots hold the last two writes.
func (k *Keeper) verify(ctx context.Context, past uint64) error {
	s, err := readSlots(ctx, k.store, k.key)
	if err != nil {
		return err
	}
	if err := k.mine(s, past); err != nil {
		return err
	}
	for _, one := range s {
		if one.record == nil {
			return fmt.Errorf("the store does not give back what was written: %q %w", one.key, one.err)
		}
	}
	if s[0].record.Sequence+s[1].record.Sequence != 2*k.sequence-1 {
		return errors.New("the store gives back something older than what was written")
	}
	return nil
}

// Save writes payload, which is JSON of at most MaxPayload bytes and must not
// change afterwards; nil stands for that of the last call. It is to be called
// every interval, whether anything has changed or not, or others take this
// process for dead.
//
// After an error the record is as it was, or as it should be: the caller goes
// on and calls Save at the next interval. After ErrOwned or ErrNewer the record
// is another's, and nothing is written any more.
func (k *Keeper) Save(ctx context.Context, payload []byte) error { return k.save(ctx, payload, false) }

// Release is a last Save, after which another process may take the record at
// once. When it fails it can be called again; without it, the next process
// waits until it takes this one for dead.
func (k *Keeper) Release(ctx context.Context, payload []byte) error {
	err := k.save(ctx, payload, true)
	if err == nil {
		k.ended = fmt.Errorf("checkpoint %q has been released", k.key)
	}
	return err
}

func (k *Keeper) save(ctx context.Context, payload []byte, released bool) error {
	if k.ended != nil {
		return k.ended
	}
	if payload != nil {
		if len(payload) > MaxPayload {
			return fmt.Errorf("checkpoint %q: %d bytes are more than a record may have (%d)", k.key, len(payload), MaxPayload)
		}
		if !json.Valid(payload) {
			return fmt.Errorf("checkpoint %q: the payload is not JSON", k.key)
		}
		k.payload = payload
	}
	err := k.write(ctx, 0, released)
	if Final(err) {
		k.ended = err
	}
	return err
}

// write saves the payload under this keeper's mark, unless a slot holds another
// owner's mark with a sequence number above past.
//
// It counts on from what it reads as well as from its own last number: a write
// that failed may have been done all the same, or be done later.
func (k *Keeper) write(ctx context.Context, past uint64, released bool) error {
	s, err := readSlots(ctx, k.store, k.key)
	if err != nil {
		return err
	}
	if err := k.mine(s, past); err != nil {
		return err
	}
	k.sequence = max(k.sequence, s.sequence()) + 1
	value, err := encode(record{
		Version:    version,
		Sequence:   k.sequence,
		Owner:      k.owner,
		Released:   released,
		IntervalMS: k.options.Interval.Milliseconds(),
		SavedAt:    time.Now().UTC().Truncate(time.Millisecond),
		Identity:   k.options.Identity,
		Payload:    k.payload,
	})
	if err != nil {
		return err
	}
	return k.store.Set(ctx, s.next(), value)
}
