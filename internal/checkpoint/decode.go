package checkpoint

import "fmt"

// Decode reads the value of one slot, for people who have the value and not
// the store. Whether the other slot is newer it cannot know. It returns
// ErrDamaged or ErrNewer for what it cannot read.
func Decode(value []byte) (Saved, error) {
	r, err := decode(value)
	switch {
	case err != nil:
		return Saved{}, fmt.Errorf("the slot %w: it %w", ErrDamaged, err)
	case r.Version > version:
		return Saved{}, fmt.Errorf("the slot %w (layout %d, known here: %d)", ErrNewer, r.Version, version)
	}
	return Saved{Identity: r.Identity, SavedAt: r.SavedAt, Payload: r.Payload}, nil
}
