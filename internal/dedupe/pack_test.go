package dedupe

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// someKeys are distinct keys of both kinds.
func someKeys(seed uint64, snowflakes, texts int) []Key {
	r := rand.New(rand.NewPCG(seed, 1))
	var keys []Key
	for range snowflakes {
		keys = append(keys, Snowflake(2_000_000_000_000_000_000+r.Uint64N(1_000_000)<<22+uint64(len(keys))))
	}
	for n := range texts {
		keys = append(keys, Text(strconv.AppendInt(nil, int64(n), 10)))
	}
	return keys
}

func has(all []Key, keys []Key) bool {
	set := map[Key]bool{}
	for _, k := range all {
		set[k] = true
	}
	return !slices.ContainsFunc(keys, func(k Key) bool { return !set[k] })
}

func TestPackedKeysComeBack(t *testing.T) {
	for seed := range uint64(200) {
		keys := someKeys(seed, int(seed%17), int(seed%5))
		packed, left := Pack(append(keys, keys...), 1<<20)
		got, err := Unpack(packed)
		if err != nil || left != 0 || len(got) != len(keys) || !has(got, keys) {
			t.Fatalf("%d keys became %d, %d left, %v", len(keys), len(got), left, err)
		}
	}
}

func TestPackingKeepsTheNewestThatFit(t *testing.T) {
	keys := someKeys(1, 1000, 10)
	packed, left := Pack(keys, 2000)
	got, err := Unpack(packed)
	if err != nil || len(packed) > 2000 || len(got)+left != len(keys) || len(got) < 300 {
		t.Fatalf("%d bytes, %d keys and %d left of %d, %v", len(packed), len(got), left, len(keys), err)
	}
	snowflakes := keys[:1000]
	slices.SortFunc(snowflakes, func(a, b Key) int {
		return bytes.Compare(strconv.AppendUint(nil, b.lo, 10), strconv.AppendUint(nil, a.lo, 10))
	})
	if !has(got, snowflakes[:len(got)]) {
		t.Error("older ones were kept instead of newer")
	}
}

func FuzzUnpack(f *testing.F) {
	packed, _ := Pack(someKeys(1, 5, 3), 1<<10)
	f.Add(packed)
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := Unpack(b)
		if err != nil {
			return
		}
		again, _ := Pack(keys, 1<<20)
		if got, err := Unpack(again); err != nil || !has(got, keys) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestRestoredKeysAreDuplicatesAndFound(t *testing.T) {
	w := window(t, 100, 0)
	claim := &Claim{}
	w.Judge(now, claim, ids(1, 4), nil)
	w.Judge(now, &Claim{}, ids(4, 6), nil)
	claim.Acknowledge()
	seen := w.Look(0, func(snowflake uint64, at time.Time) bool { return snowflake >= 2 || at.Equal(now) })
	var keys []Key
	for _, s := range seen {
		if s.Claim.Acknowledged() {
			keys = append(keys, s.Key)
		}
	}
	if len(seen) != 4 || len(keys) != 2 || !has(keys, ids(2, 4)) {
		t.Fatalf("found %v, acknowledged %v", seen, keys)
	}
	again := window(t, 100, 0)
	again.Restore(now, keys)
	if got, want := again.Judge(now, &Claim{}, ids(1, 4), nil), []Verdict{New, Duplicate, Duplicate}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
