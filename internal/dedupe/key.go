// Package dedupe remembers which events have passed, and tells a retry of an
// event from a second copy of it.
//
// It knows keys and claims: not where an event comes from, nor what becomes of
// it. The input x_stream keeps one [Window] a partition in front of its queue.
package dedupe

import (
	"crypto/sha256"
	"encoding/binary"
)

// Key identifies an event: a Post ID as the integer it is, or 128 bits of the
// SHA-256 of another key. It holds no pointer, so a window keeps no event's
// bytes alive.
type Key struct {
	hi, lo uint64
}

// Snowflake is the key of an event whose identity is a snowflake ID.
func Snowflake(id uint64) Key { return Key{lo: id} }

// Text is the key of an event whose identity is a text.
func Text(id []byte) Key {
	sum := sha256.Sum256(id)
	// The top bit keeps texts apart from snowflakes, whose hi is zero.
	return Key{hi: binary.BigEndian.Uint64(sum[:8]) | 1<<63, lo: binary.BigEndian.Uint64(sum[8:16])}
}
