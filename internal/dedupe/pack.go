package dedupe

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// Pack writes keys in at most limit bytes: snowflakes as differences, which
// are a few bytes each, the newest first, and what is left of the room for
// others. It returns how many did not fit.
func Pack(keys []Key, limit int) (packed []byte, left int) {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(b.lo, a.lo))
	})
	keys = slices.Compact(keys)
	last := ^uint64(0) // no snowflake: they have 63 bits
	for i, k := range keys {
		before := len(packed)
		if k.hi == 0 {
			packed = binary.AppendUvarint(packed, last-k.lo)
			last = k.lo
		} else {
			// No two snowflakes are the same: a difference of zero ends them.
			if i == 0 || keys[i-1].hi == 0 {
				packed = binary.AppendUvarint(packed, 0)
			}
			packed = binary.BigEndian.AppendUint64(packed, k.hi)
			packed = binary.BigEndian.AppendUint64(packed, k.lo)
		}
		if len(packed) > limit {
			return packed[:before], len(keys) - i
		}
	}
	return packed, 0
}

var errPacked = errors.New("the remembered keys are damaged")

// Unpack reads what Pack wrote.
func Unpack(packed []byte) (keys []Key, err error) {
	r := bytes.NewReader(packed)
	last := ^uint64(0)
	for r.Len() > 0 {
		difference, err := binary.ReadUvarint(r)
		if err != nil || difference > last {
			return nil, errPacked
		}
		if difference == 0 {
			break
		}
		last -= difference
		keys = append(keys, Key{lo: last})
	}
	if r.Len()%16 != 0 {
		return nil, errPacked
	}
	for r.Len() > 0 {
		var b [16]byte
		_, _ = r.Read(b[:]) // 16 are there
		keys = append(keys, Key{hi: binary.BigEndian.Uint64(b[:8]), lo: binary.BigEndian.Uint64(b[8:])})
	}
	return keys, nil
}
