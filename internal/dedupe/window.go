package dedupe

import (
	"fmt"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Window remembers the most recent keys and the claim that each was first seen
// with. It is not safe for concurrent use: its owner has a lock, and takes it
// once a read, not once an event.
type Window struct {
	seen     *simplelru.LRU[Key, sighting]
	order    order
	capacity int
	maxAge   time.Duration
}

type sighting struct {
	claim *Claim
	at    int64 // Unix nanoseconds
}

// NewWindow makes a window of at most capacity keys, each remembered for at
// most maxAge (0: until it is the oldest of a full window). A capacity below
// one is an error.
func NewWindow(capacity int, maxAge time.Duration) (*Window, error) {
	seen, err := simplelru.NewLRU[Key, sighting](capacity, nil)
	if err != nil {
		return nil, fmt.Errorf("making a dedupe window of %d keys: %w", capacity, err)
	}
	return &Window{seen: seen, order: newOrder(capacity), capacity: capacity, maxAge: maxAge}, nil
}

// Verdict is what a window says of a key.
type Verdict uint8

const (
	// New: the key is not remembered, or what it was seen with was rejected
	// for good since. It is remembered from now on.
	New Verdict = iota
	// Retry: the key was first seen under the same claim.
	Retry
	// Duplicate: the key was first seen under another claim.
	Duplicate
)

// Judge remembers the keys of one read, which arrived at now under claim, and
// appends a verdict for each to verdicts.
func (w *Window) Judge(now time.Time, claim *Claim, keys []Key, verdicts []Verdict) []Verdict {
	at := now.UnixNano()
	for _, k := range keys {
		s, ok := w.seen.Get(k)
		switch {
		case !ok || s.claim.Rejected() || (w.maxAge > 0 && at-s.at >= int64(w.maxAge)):
			w.seen.Add(k, sighting{claim, at})
			w.order.add(k)
			verdicts = append(verdicts, New)
		case s.claim == claim:
			verdicts = append(verdicts, Retry)
		default:
			verdicts = append(verdicts, Duplicate)
		}
	}
	return verdicts
}

// Reach is how far back the window remembers at now; forgets is false as long
// as that is everything it was ever shown.
func (w *Window) Reach(now time.Time) (reach time.Duration, forgets bool) {
	if w.maxAge > 0 {
		reach, forgets = w.maxAge, true
	}
	if w.seen.Len() < w.capacity {
		return reach, forgets
	}
	if _, oldest, ok := w.seen.GetOldest(); ok {
		if age := now.Sub(time.Unix(0, oldest.at)); !forgets || age < reach {
			reach, forgets = age, true
		}
	}
	return reach, forgets
}

// Sighting is a remembered key and the claim that it was first seen with.
type Sighting struct {
	Key   Key
	Claim *Claim
}

// Pieces is in how many pieces the window can be looked through now.
func (w *Window) Pieces() int { return len(w.order.blocks) }

// Look returns what match selects of a piece, counted from zero: by the
// snowflake, or for another kind of key by 0 and when it was first seen. A piece
// is at most a few thousand keys: a caller that holds a lock holds it for one
// piece at a time. A key that came more than once may be found more than once;
// what was seen again and again while a whole window of others came may not be
// found.
func (w *Window) Look(piece int, match func(snowflake uint64, seen time.Time) bool) (found []Sighting) {
	if piece >= len(w.order.blocks) {
		return nil
	}
	for _, k := range w.order.blocks[piece] {
		if k.hi == 0 && !match(k.lo, time.Time{}) {
			continue // without asking what is known of it: that costs a look-up
		}
		s, known := w.seen.Peek(k)
		if known && (k.hi == 0 || match(0, time.Unix(0, s.at))) {
			found = append(found, Sighting{k, s.claim})
		}
	}
	return found
}

// File remembers a key that is known from elsewhere: from now on it was seen at
// now under claim, whatever the window had of it.
func (w *Window) File(now time.Time, key Key, claim *Claim) {
	if !w.seen.Contains(key) {
		w.order.add(key)
	}
	w.seen.Add(key, sighting{claim, now.UnixNano()})
}

// Restore files keys under a claim that is acknowledged, and returns that.
func (w *Window) Restore(now time.Time, keys []Key) (seen []Sighting) {
	claim := &Claim{}
	claim.Acknowledge()
	for _, k := range keys {
		w.File(now, k, claim)
		seen = append(seen, Sighting{k, claim})
	}
	return seen
}
