package dedupe

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Window remembers the most recent keys and the claim that each was first seen
// with. It is safe for concurrent use and takes its lock once a read,
// not once an event.
type Window struct {
	mu       sync.Mutex
	seen     *simplelru.LRU[Key, sighting]
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
	return &Window{seen: seen, capacity: capacity, maxAge: maxAge}, nil
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
	w.mu.Lock()
	defer w.mu.Unlock()
	at := now.UnixNano()
	for _, k := range keys {
		s, ok := w.seen.Get(k)
		switch {
		case !ok || s.claim.Rejected() || (w.maxAge > 0 && at-s.at >= int64(w.maxAge)):
			w.seen.Add(k, sighting{claim, at})
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
	w.mu.Lock()
	defer w.mu.Unlock()
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

// Seen returns what the window remembers and match selects, by the snowflake,
// or 0 for another kind of key, and when it was first seen.
func (w *Window) Seen(match func(snowflake uint64, at time.Time) bool) (seen []Sighting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.seen.Keys() {
		s, _ := w.seen.Peek(k)
		snowflake := k.lo
		if k.hi != 0 {
			snowflake = 0
		}
		if match(snowflake, time.Unix(0, s.at)) {
			seen = append(seen, Sighting{k, s.claim})
		}
	}
	return seen
}

// Restore remembers keys as seen at now and acknowledged, and returns that.
func (w *Window) Restore(now time.Time, keys []Key) (seen []Sighting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	claim := &Claim{}
	claim.Acknowledge()
	for _, k := range keys {
		w.seen.Add(k, sighting{claim, now.UnixNano()})
		seen = append(seen, Sighting{k, claim})
	}
	return seen
}
