package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatWasSavedIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, payload := open(t, m)
		if payload != "" {
			t.Errorf("a new checkpoint holds %q", payload)
		}
		for n := range 5 {
			save(t, k, fmt.Sprintf(`{"n":%d}`, n))
		}
		release(t, k, `{"n":"last"}`)
		if _, payload = open(t, m); payload != `{"n":"last"}` {
			t.Errorf("found %q", payload)
		}
	})
}

func TestPayloadThatIsNotGivenStaysAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, _ := open(t, m)
		if err := k.Release(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		k, payload := open(t, m)
		if payload != "" {
			t.Errorf("nothing was saved, but found %q", payload)
		}
		save(t, k, "1")
		if err := k.Save(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := k.Release(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		k, payload = open(t, m)
		if payload != "1" {
			t.Errorf("found %q", payload)
		}
		if err := k.Release(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if _, payload = open(t, m); payload != "1" {
			t.Errorf("found %q after an opening without a save", payload)
		}
	})
}

func TestPayloadsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, _ := open(t, m)
		largest := `"` + strings.Repeat("<", MaxPayload-2) + `"`
		save(t, k, largest)
		before := m.snapshot()
		for name, payload := range map[string]string{"too large": " " + largest, "empty": "", "cut": `{"a":`, "two": "1 2"} {
			if err := k.Save(t.Context(), []byte(payload)); err == nil || Final(err) || !strings.Contains(err.Error(), key) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if fmt.Sprint(m.snapshot()) != fmt.Sprint(before) {
			t.Error("a refused payload has changed the record")
		}
		if err := k.Release(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if _, payload := open(t, m); payload != largest {
			t.Errorf("%d bytes found, want the largest payload that was saved", len(payload))
		}
	})
}

func TestReleasedKeeperWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, _ := open(t, m)
		release(t, k, "1")
		sets := m.sets
		if k.Save(t.Context(), []byte("2")) == nil || k.Release(t.Context(), []byte("3")) == nil || m.sets != sets {
			t.Error("a released keeper wrote")
		}
	})
}

func TestIntervalsThatAreRefused(t *testing.T) {
	for _, interval := range []time.Duration{-1, 0, MaxInterval + 1} {
		o := options
		o.Interval = interval
		if _, _, err := Open(t.Context(), newMemory(), key, o); err == nil {
			t.Errorf("%v is taken", interval)
		}
	}
}

// A record of another stream must neither be continued nor written over.
func TestRecordOfAnotherStreamIsRefused(t *testing.T) {
	for name, change := range map[string]func(*Identity){
		`host "https://other", here "https://api.x.com"`: func(i *Identity) { i.Host = "https://other" },
		`stream "sample", here "filtered"`:               func(i *Identity) { i.Stream = "sample" },
		`partition "2", here "0"`:                        func(i *Identity) { i.Partition = 2 },
		`account "a", here ""`:                           func(i *Identity) { i.Account = "a" },
		`label "prod", here ""`:                          func(i *Identity) { i.Label = "prod" },
	} {
		// It counts even where only the older slot says so.
		for _, sequence := range []uint64{4, 6} {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				m.write(t, ".a", stored(5, "1"))
				r := stored(sequence, "1")
				r.Released = false // whether its process lives makes no difference
				change(&r.Identity)
				m.write(t, ".b", r)
				began := time.Now()
				refused(t, m, ErrForeign, name, "another checkpoint_key")
				if waited := time.Since(began); waited != 0 {
					t.Errorf("refused after %v", waited)
				}
				other := Saved{Key: key, Identity: r.Identity}
				if err := other.BelongsTo(filtered); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), name) {
					t.Errorf("the record alone: %v", err)
				}
				if err := other.BelongsTo(r.Identity); err != nil {
					t.Errorf("its own stream: %v", err)
				}
			})
		}
	}
}

// A version that comes may lay the record out in any other way.
func TestNewerVersionIsRefused(t *testing.T) {
	for _, body := range []string{
		`{"version":2}`,
		`{"version":3,"sequence":"many","owner":{},"payload":1}`,
		`{"sequence":1,"owner":"o","version":2}`,
	} {
		for _, older := range []uint64{1, 1 << 40} {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				m.write(t, ".a", stored(older, "1"))
				m.values[key+".b"] = sealed(body)
				refused(t, m, ErrNewer, "checkpoint_key")
				if _, err := Read(t.Context(), m, key); !errors.Is(err, ErrNewer) {
					t.Errorf("read: %v", err)
				}
			})
		}
	}
}

func refused(t *testing.T, m *memory, want error, parts ...string) {
	t.Helper()
	before := m.snapshot()
	_, _, err := Open(t.Context(), m, key, options)
	if !errors.Is(err, want) {
		t.Fatalf("%v, want %v", err, want)
	}
	for _, part := range append(parts, `"`+key+`"`) {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %s", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than a line", err)
	}
	if fmt.Sprint(m.snapshot()) != fmt.Sprint(before) {
		t.Error("the record has been changed")
	}
}

func TestReadingDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, _ := open(t, m)
		if r, err := Read(t.Context(), m, key); err != nil || r.Payload != nil || r.Identity != filtered {
			t.Errorf("before the first save: %+v, %v", r, err)
		}
		for n := range 4 {
			time.Sleep(time.Second)
			payload := fmt.Sprint(n)
			save(t, k, payload)
			sets := m.sets
			r, err := Read(t.Context(), m, key)
			if err != nil || string(r.Payload) != payload || !r.SavedAt.Equal(time.Now()) || r.Key != key {
				t.Errorf("%+v, %v; want %s", r, err, payload)
			}
			if m.sets != sets {
				t.Error("reading wrote")
			}
		}
		save(t, k, "null") // which is a payload
		if r, err := Read(t.Context(), m, key); err != nil || string(r.Payload) != "null" {
			t.Errorf("%+v, %v; want null", r, err)
		}
	})
}

func TestStoreThatIsAwayIsWaitedFor(t *testing.T) {
	for name, fails := range map[string]func(m *memory, key string) bool{
		"all of it":                        func(*memory, string) bool { return true },
		"one slot":                         func(_ *memory, k string) bool { return k == key+".b" },
		"the sign":                         func(_ *memory, k string) bool { return k == key },
		"the sign, once slots are written": func(m *memory, k string) bool { return k == key && m.sets > 1 },
		"for writing":                      nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				began := time.Now()
				away := func() bool { return time.Since(began) < time.Minute }
				m.before = func(key string) error {
					if fails != nil && fails(m, key) && away() {
						return errAway
					}
					return nil
				}
				m.tear = func(_ int, _ string, _, value []byte) ([]byte, error) {
					if fails == nil && away() {
						return nil, errAway
					}
					return value, nil
				}
				var told int
				o := options
				o.Waiting = func(err error) {
					told++
					if !errors.Is(err, errAway) || !strings.Contains(err.Error(), key) {
						t.Errorf("told: %v", err)
					}
				}
				if _, _, err := Open(t.Context(), m, key, o); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(began); waited < time.Minute || waited > time.Minute+retryLast {
					t.Errorf("opened after %v", waited)
				}
				if told < 10 || told > 20 {
					t.Errorf("told %d times in a minute", told)
				}
			})
		})
	}
}

func TestOpeningEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := newMemory()
		open(t, live) // and never released
		for name, m := range map[string]*memory{
			"store away": {values: map[string][]byte{}, before: func(string) error { return errAway }},
			"watching":   live,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 1300*time.Millisecond)
			began := time.Now()
			_, _, err := Open(ctx, m, key, options)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || Final(err) || time.Since(began) != 1300*time.Millisecond {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
			if name == "store away" && !strings.Contains(err.Error(), errAway.Error()) {
				t.Errorf("%v does not say what it waited for", err)
			}
		}
	})
}

// hanging is a store that answers when its context ends, and not before.
type hanging struct{}

func (hanging) Get(ctx context.Context, _ string) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (hanging) Set(ctx context.Context, _ string, _ []byte) error { <-ctx.Done(); return ctx.Err() }

func TestStoreThatHangsIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		o, told := options, 0
		o.Waiting = func(error) { told++ }
		Open(ctx, hanging{}, key, o)
		if told < 3 {
			t.Errorf("told %d times in a minute", told)
		}
	})
}

// Stores that are no place for a checkpoint: found out before the first
// connect, not after the first crash.
func TestStoreThatDoesNotKeepIsNeverOpened(t *testing.T) {
	for name, tear := range map[string]func(n int, key string, old, value []byte) ([]byte, error){
		"drops": func(int, string, []byte, []byte) ([]byte, error) { return nil, nil },
		"drops a slot": func(_ int, k string, _, value []byte) ([]byte, error) {
			if k == key+".b" {
				return nil, nil
			}
			return value, nil
		},
		"cuts": func(_ int, _ string, _, value []byte) ([]byte, error) { return value[:min(len(value), 200)], nil },
		"lays JSON out in its own way": func(_ int, _ string, _, value []byte) ([]byte, error) {
			var v any
			if err := json.Unmarshal(value, &v); err != nil {
				return nil, err
			}
			return json.MarshalIndent(v, "", " ")
		},
		"keeps the first": func(_ int, _ string, old, value []byte) ([]byte, error) {
			if old != nil {
				return old, nil
			}
			return value, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				if name == "keeps the first" {
					m.write(t, ".a", stored(5, "1"))
					m.write(t, ".b", stored(6, "1"))
				}
				m.tear = tear
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				var reasons []string
				o := options
				o.Waiting = func(err error) { reasons = append(reasons, err.Error()) }
				_, _, err := Open(ctx, m, key, o)
				if err == nil {
					t.Fatal("opened")
				}
				if !errors.Is(err, ErrDamaged) &&
					!slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(r, "the store") }) {
					t.Errorf("%v, after being told %v", err, reasons)
				}
			})
		})
	}
}

// The answer of a write may be lost, and the write may be done at once, later
// or never. Whatever comes of it, the position never goes back by more than the
// saves that were not answered.
func TestLostAnswersAreHarmless(t *testing.T) {
	for _, what := range []string{"done", "not done", "torn"} {
		for first := 1; first <= 4; first++ {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				k, _ := open(t, m)
				save(t, k, "0")
				answered := 0
				began := m.sets
				m.tear = func(n int, _ string, _, value []byte) ([]byte, error) {
					if n -= began; n < first || n > first+1 {
						return value, nil
					}
					switch what {
					case "done":
						return value, errAway
					case "torn":
						return value[:len(value)/2], errAway
					}
					return nil, errAway
				}
				for n := 1; n <= 6; n++ {
					err := k.Save(t.Context(), []byte(fmt.Sprint(n)))
					if err == nil {
						answered = n
					} else if !errors.Is(err, errAway) {
						t.Fatal(err)
					}
					r, err := Read(t.Context(), m, key)
					if err != nil {
						t.Fatal(err)
					}
					if got := string(r.Payload); got != fmt.Sprint(n) && got != fmt.Sprint(answered) {
						t.Errorf("%s: %s is found after %d was saved and %d was answered", what, got, n, answered)
					}
				}
				if answered != 6 {
					t.Errorf("%s: the last save that was answered is %d", what, answered)
				}
			})
		}
	}
}

// A write that was given up may still be done, over what was saved since.
func TestLateWriteCostsOneInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, _ := open(t, m)
		var late []byte
		var where string
		m.tear = func(_ int, key string, _, value []byte) ([]byte, error) {
			late, where = bytes.Clone(value), key
			return nil, errAway
		}
		if err := k.Save(t.Context(), []byte("1")); !errors.Is(err, errAway) {
			t.Fatal(err)
		}
		m.tear = nil
		save(t, k, "2")
		save(t, k, "3")
		m.values[where] = late
		r, err := Read(t.Context(), m, key)
		if err != nil || string(r.Payload) != "2" && string(r.Payload) != "3" {
			t.Errorf("%s, %v", r.Payload, err)
		}
		save(t, k, "4")
		save(t, k, "5")
		if r, err := Read(t.Context(), m, key); err != nil || string(r.Payload) != "5" {
			t.Errorf("%s, %v", r.Payload, err)
		}
	})
}

// Somebody flushed the store: the process still knows everything.
func TestSaveHealsALostRecord(t *testing.T) {
	for name, harm := range map[string]func(map[string][]byte){
		"flushed":       func(v map[string][]byte) { clear(v) },
		"a slot lost":   func(v map[string][]byte) { delete(v, key+".a") },
		"a slot torn":   func(v map[string][]byte) { v[key+".b"] = v[key+".b"][:9] },
		"both torn":     func(v map[string][]byte) { v[key+".a"], v[key+".b"] = []byte("x"), []byte("y") },
		"the sign lost": func(v map[string][]byte) { delete(v, key) },
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			k, _ := open(t, m)
			save(t, k, "1")
			before := k.sequence
			harm(m.values)
			save(t, k, "2")
			// Others take a number that goes down for no sign of life.
			if s, err := readSlots(t.Context(), m, key); err != nil || s.sequence() <= before {
				t.Errorf("%s: sequence number %d after %d, %v", name, s.sequence(), before, err)
			}
			if r, err := Read(t.Context(), m, key); err != nil || string(r.Payload) != "2" {
				t.Errorf("%s: %s, %v", name, r.Payload, err)
			}
			save(t, k, "3")
			for _, suffix := range []string{".a", ".b"} {
				if _, err := decode(m.values[key+suffix]); err != nil {
					t.Errorf("%s: %s %v after two saves", name, suffix, err)
				}
			}
		})
	}
}
