// Package checkpoint keeps a record safely in a store that can do no more than
// get and set: through torn writes, lost answers, and processes that believe
// that they are alone.
//
// It does not know what it keeps: the payload is JSON that only its caller
// understands. Nor does it know where it keeps it, or anything of X, of
// coverage or of Benthos.
//
// There is one [Keeper] a partition, each with a key and a mark of its own. One
// mark for all partitions would be cheaper to watch, but then the record that
// is read before a save would not be the one that is written, and partitions of
// one checkpoint could not be shared out over processes. Keepers hold nothing
// in common, so twenty are opened at the same time, in the time of one.
package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Store is where records are kept. Get returns ErrNotFound, wrapped or not, for
// a key that was never set. Values must come back byte by byte as they were
// set, and must not expire.
type Store interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Set(ctx context.Context, key string, value []byte) error
}

// ErrNotFound: nothing was ever saved under the key.
var ErrNotFound = errors.New("not found")

// What no waiting changes. Their texts are one line that names the key and says
// what to do.
var (
	// ErrDamaged: there is a record, and it cannot be read.
	ErrDamaged = errors.New("is damaged")
	// ErrForeign: the record is of another stream.
	ErrForeign = errors.New("belongs to another stream")
	// ErrNewer: the record is of a version that this one cannot read.
	ErrNewer = errors.New("was written by a newer version")
	// ErrOwned: another live process writes the record.
	ErrOwned = errors.New("is written by another live process")
)

// Final reports whether err is one that trying again cannot change.
func Final(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrForeign) || errors.Is(err, ErrNewer) || errors.Is(err, ErrOwned)
}

// Saved is what was saved last.
type Saved struct {
	Key      string
	Identity Identity
	SavedAt  time.Time // by the clock of the process that saved it
	Payload  []byte    // nil: opened, and nothing was saved yet
}

// BelongsTo returns ErrForeign when the record is not of the stream and
// partition that identity names.
func (r Saved) BelongsTo(identity Identity) error { return foreign(r.Key, r.Identity, identity) }

// Read returns the record under key without owning it: a process that writes it
// is not disturbed. Where nothing was ever saved it returns ErrNotFound, and
// ErrDamaged or ErrNewer where the record cannot be read.
func Read(ctx context.Context, store Store, key string) (Saved, error) {
	s, err := look(ctx, timed{store}, key)
	if err != nil {
		return Saved{}, err
	}
	r := s.newest()
	if r == nil {
		return Saved{}, fmt.Errorf("checkpoint %q %w", key, ErrNotFound)
	}
	return Saved{Key: key, Identity: r.Identity, SavedAt: r.SavedAt, Payload: r.Payload}, nil
}

// callTimeout bounds one call to the store. One that hangs would otherwise hold
// up an opening without a word.
const callTimeout = 10 * time.Second

// timed is a store whose calls end in time and whose errors say what was done.
type timed struct{ store Store }

func (t timed) Get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	value, err := t.store.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", key, err)
	}
	return value, nil
}

func (t timed) Set(ctx context.Context, key string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := t.store.Set(ctx, key, value); err != nil {
		return fmt.Errorf("writing %q: %w", key, err)
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
