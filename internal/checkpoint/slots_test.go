package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Every state that two slots and the sign can be in. What is lost when this is
// wrong: everything between the last save and now, without a word.
func TestWhatStatesMean(t *testing.T) {
	const none, damaged = "none", "damaged"
	half := func(sequence uint64) []byte {
		value := encoded(t, stored(sequence, `"half"`))
		return value[:len(value)/2]
	}
	values := map[string][]byte{
		"empty":  {},
		"half":   half(9),
		"five":   encoded(t, stored(5, `"five"`)),
		"six":    encoded(t, stored(6, `"six"`)),
		"opened": encoded(t, stored(1, "")),
		"junk":   []byte("OOM command not allowed"),
	}
	for _, c := range []struct{ a, b, unsigned, signed string }{
		{"missing", "missing", none, damaged},
		{"empty", "missing", none, damaged},
		{"missing", "empty", none, damaged},
		{"half", "missing", none, damaged},
		{"missing", "half", none, damaged},
		{"junk", "missing", none, damaged},
		{"empty", "empty", damaged, damaged},
		{"empty", "half", damaged, damaged},
		{"half", "half", damaged, damaged},
		{"junk", "half", damaged, damaged},

		{"opened", "missing", "", ""},
		{"opened", "half", "", ""},
		{"five", "missing", `"five"`, `"five"`},
		{"missing", "five", `"five"`, `"five"`},
		{"five", "empty", `"five"`, `"five"`},
		{"empty", "five", `"five"`, `"five"`},
		{"half", "five", `"five"`, `"five"`},
		{"five", "six", `"six"`, `"six"`},
		{"six", "five", `"six"`, `"six"`},
		{"opened", "six", `"six"`, `"six"`},
	} {
		for _, sign := range []string{"no sign", "a sign", "a sign that was cut"} {
			t.Run(c.a+", "+c.b+", "+sign, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := newMemory()
					for suffix, state := range map[string]string{".a": c.a, ".b": c.b} {
						if state != "missing" {
							m.values[key+suffix] = values[state]
						}
					}
					want := c.signed
					switch sign {
					case "no sign":
						want = c.unsigned
					case "a sign":
						m.values[key] = []byte("{}")
					default:
						m.values[key] = nil
					}
					checkState(t, m, want)
				})
			})
		}
	}
}

func checkState(t *testing.T, m *memory, want string) {
	t.Helper()
	before := m.snapshot()
	r, readErr := Read(t.Context(), m, key)
	_, payload, openErr := Open(t.Context(), m, key, options)
	switch want {
	case "none":
		if !errors.Is(readErr, ErrNotFound) || openErr != nil || payload != nil {
			t.Errorf("read: %v; opened: %s, %v; want a checkpoint that is new", readErr, payload, openErr)
		}
	case "damaged":
		if !errors.Is(readErr, ErrDamaged) || !errors.Is(openErr, ErrDamaged) {
			t.Fatalf("read: %v; opened: %s, %v; want ErrDamaged", readErr, payload, openErr)
		}
		if after := m.snapshot(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("what was left has been changed:\n%v\nbefore\n%v", after, before)
		}
		for _, part := range []string{`"xconnect.1"`, `"xconnect.1.a"`, `"xconnect.1.b"`, "delete"} {
			if !strings.Contains(openErr.Error(), part) {
				t.Errorf("%q does not say %s", openErr, part)
			}
		}
	default:
		if readErr != nil || openErr != nil || string(r.Payload) != want || string(payload) != want {
			t.Errorf("read: %s, %v; opened: %s, %v; want %s", r.Payload, readErr, payload, openErr, want)
		}
	}
}

// life is what processes do to a checkpoint one after the other, with the
// payloads that they save: the first crashes, the second is stopped.
var life = []string{"open", "save 1", "save 2", "save 3", "open", "save 4", "release 5", "open", "save 6", "save 7"}

// live goes through life until a step fails, and returns the payload that was
// saved last and the one that was to be saved then; "" is none.
func live(ctx context.Context, m *memory) (saved, tried string) {
	var k *Keeper
	for _, step := range life {
		verb, payload, _ := strings.Cut(step, " ")
		var err error
		switch verb {
		case "open":
			k, _, err = Open(ctx, m, key, options)
		case "save":
			tried = payload
			err = k.Save(ctx, []byte(payload))
		case "release":
			tried = payload
			err = k.Release(ctx, []byte(payload))
		}
		if err != nil {
			return saved, tried
		}
		saved = tried
	}
	return saved, tried
}

// A process dies at the nth write, after cut of its bytes (-1: before it did
// anything). What is left must open, with what was saved or what was being
// saved; never as damaged, and never as new once something was saved.
func TestEverySaveCutAtEveryByte(t *testing.T) {
	whole := newMemory()
	synctest.Test(t, func(t *testing.T) { live(t.Context(), whole) })
	if want := 3 + 3 + 2 + 2 + 2 + 2; whole.sets != want {
		t.Fatalf("%d writes in a life, want %d", whole.sets, want)
	}
	step := 1
	if testing.Short() {
		step = 10
	}
	for _, way := range []string{"truncated", "in place"} {
		for n := 1; n <= whole.sets; n++ {
			t.Run(fmt.Sprintf("write %d %s", n, way), func(t *testing.T) {
				size := 0
				for cut := -1; cut <= size; cut += step {
					synctest.Test(t, func(t *testing.T) { size = cutAt(t, n, cut, way == "in place") })
				}
			})
		}
	}
}

// cutAt returns the size of the write that was cut.
func cutAt(t *testing.T, n, cut int, inPlace bool) (size int) {
	ctx, die := context.WithCancel(t.Context())
	m := newMemory()
	m.tear = func(set int, _ string, old, value []byte) ([]byte, error) {
		if set != n {
			return value, nil
		}
		die()
		size = len(value)
		left := old
		if cut >= 0 {
			left = bytes.Clone(value[:cut])
			if inPlace && cut < len(old) {
				left = append(left, old[cut:]...)
			}
		}
		return left, errAway
	}
	saved, tried := live(ctx, m)
	if ctx.Err() == nil {
		t.Fatalf("write %d was never made", n)
	}
	_, payload, err := Open(t.Context(), m.copied(), key, options)
	if err != nil {
		t.Fatalf("cut at byte %d: %v", cut, err)
	}
	if got := string(payload); got != saved && got != tried {
		t.Fatalf("cut at byte %d: opened with %q, but %q was saved and %q was being saved", cut, got, saved, tried)
	}
	if cut == size && string(payload) != tried {
		t.Fatalf("all was written, but opened with %q instead of %q", payload, tried)
	}
	return size
}

// A reader that comes while a value is being replaced sees half of it.
func TestSlotThatIsBeingWrittenIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, _ := open(t, m)
		save(t, k, "1")
		good := m.copied()
		began := time.Now()
		m.values[key+".a"], m.values[key+".b"] = nil, nil
		m.before = func(string) error {
			if time.Since(began) >= 200*time.Millisecond {
				m.values = good.values
			}
			return nil
		}
		if r, err := Read(t.Context(), m, key); err != nil || string(r.Payload) != "1" {
			t.Errorf("%s, %v", r.Payload, err)
		}
	})
}
