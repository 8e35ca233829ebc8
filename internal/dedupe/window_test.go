package dedupe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func window(t *testing.T, capacity int, maxAge time.Duration) *Window {
	t.Helper()
	w, err := NewWindow(capacity, maxAge)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func ids(from, to uint64) []Key {
	var keys []Key
	for id := from; id < to; id++ {
		keys = append(keys, Snowflake(id))
	}
	return keys
}

func TestVerdicts(t *testing.T) {
	w := window(t, 100, 0)
	first, second := &Claim{}, &Claim{}
	k := ids(1, 2)
	for _, step := range []struct {
		what  string
		claim *Claim
		do    func()
		want  Verdict
	}{
		{"first sight", first, nil, New},
		{"the same claim again", first, nil, Retry},
		{"another claim", second, nil, Duplicate},
		{"the first claim after the other", first, nil, Retry},
		{"another claim once the first is rejected", second, first.Reject, New},
		{"the rejected claim's retry, now a copy of what passed since", first, nil, Duplicate},
		{"the claim that passed", second, nil, Retry},
	} {
		if step.do != nil {
			step.do()
		}
		if got := w.Judge(now, step.claim, k, nil); !slices.Equal(got, []Verdict{step.want}) {
			t.Errorf("%s: %v, want %v", step.what, got, step.want)
		}
	}
}

func TestSecondCopyInOneReadIsTold(t *testing.T) {
	w := window(t, 100, 0)
	k := Snowflake(7)
	if got, want := w.Judge(now, &Claim{}, []Key{k, k}, nil), []Verdict{New, Retry}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestOldestKeyIsForgottenFirst(t *testing.T) {
	w := window(t, 10, 0)
	w.Judge(now, &Claim{}, ids(0, 10), nil)
	w.Judge(now, &Claim{}, ids(0, 1), nil)   // a repeat makes it recent
	w.Judge(now, &Claim{}, ids(10, 11), nil) // pushes one out
	if got := w.Judge(now, &Claim{}, ids(0, 2), nil); !slices.Equal(got, []Verdict{Duplicate, New}) {
		t.Errorf("verdicts %v: the key that was not seen again should be gone", got)
	}
	if w.seen.Len() != 10 {
		t.Errorf("%d keys, want 10", w.seen.Len())
	}
}

func TestKeyOlderThanMaxAgeIsNew(t *testing.T) {
	w := window(t, 10, time.Minute)
	w.Judge(now, &Claim{}, ids(1, 2), nil)
	if got := w.Judge(now.Add(59*time.Second), &Claim{}, ids(1, 2), nil); got[0] != Duplicate {
		t.Errorf("before its age: %v", got)
	}
	if got := w.Judge(now.Add(time.Minute), &Claim{}, ids(1, 2), nil); got[0] != New {
		t.Errorf("at its age, counted from the first sight: %v", got)
	}
}

func TestKeysOfDifferentKindsDiffer(t *testing.T) {
	keys := map[Key]string{}
	for n := range uint64(1000) {
		for _, k := range []Key{Snowflake(n), Text([]byte(strconv.FormatUint(n, 10))), Text([]byte("delete:" + strconv.FormatUint(n, 10)))} {
			if old, ok := keys[k]; ok {
				t.Fatalf("%d shares its key with %s", n, old)
			}
			keys[k] = fmt.Sprint(n)
		}
	}
}

func TestClaimTravelsInContext(t *testing.T) {
	if ClaimOf(context.Background()) != nil {
		t.Error("a claim out of nowhere")
	}
	c := &Claim{}
	ctx, cancel := context.WithCancel(WithClaim(context.Background(), c))
	defer cancel()
	if ClaimOf(ctx) != c {
		t.Error("the claim got lost")
	}
}

func TestCapacityBelowOneIsAnError(t *testing.T) {
	if _, err := NewWindow(0, 0); err == nil {
		t.Error("no error")
	}
}

func TestReachIsTheAgeOfTheOldestKeyOfAFullWindow(t *testing.T) {
	w := window(t, 2, 0)
	for i := range 2 {
		if _, forgets := w.Reach(now.Add(time.Hour)); forgets {
			t.Errorf("a window with %d keys of 2 forgets", i)
		}
		w.Judge(now.Add(time.Duration(i)*time.Minute), &Claim{}, ids(uint64(i), uint64(i+1)), nil)
	}
	if reach, forgets := w.Reach(now.Add(5 * time.Minute)); !forgets || reach != 5*time.Minute {
		t.Errorf("full: reaches back %v, forgets %v", reach, forgets)
	}
	w.Judge(now.Add(2*time.Minute), &Claim{}, ids(2, 3), nil)
	if reach, _ := w.Reach(now.Add(5 * time.Minute)); reach != 4*time.Minute {
		t.Errorf("after the oldest went: reaches back %v", reach)
	}
	if reach, forgets := window(t, 2, time.Minute).Reach(now); !forgets || reach != time.Minute {
		t.Errorf("with a maximum age: reaches back %v, forgets %v", reach, forgets)
	}
}

// A look through all pieces finds what the window remembers, whatever came and in
// whatever order, unless it was seen again and again while others came.
func TestPiecesHoldWhatIsRemembered(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		w := window(t, 1+r.IntN(40), 0)
		claims := map[Key]*Claim{}
		for range 300 {
			k := Snowflake(uint64(1 + r.IntN(100)))
			claim := &Claim{}
			if r.IntN(5) == 0 {
				w.File(now, k, claim)
				claims[k] = claim
			} else if w.Judge(now, claim, []Key{k}, nil)[0] == New {
				claims[k] = claim
			}
		}
		found := map[Key]bool{}
		for piece := range w.Pieces() {
			if n := len(w.order.blocks[piece]); n > blockMax {
				t.Fatalf("seed %d: a piece of %d keys", seed, n)
			}
			for _, s := range w.Look(piece, func(uint64, time.Time) bool { return true }) {
				found[s.Key] = true
				if s.Claim != claims[s.Key] {
					t.Fatalf("seed %d: another claim than the key has", seed)
				}
			}
		}
		late := 0 // first seen more than a window ago
		for _, k := range w.seen.Keys() {
			if !found[k] {
				late++
			}
		}
		if late > w.seen.Len()/2 {
			t.Fatalf("seed %d: %d of %d keys are not found", seed, late, w.seen.Len())
		}
		if w.Look(w.Pieces(), func(uint64, time.Time) bool { return true }) != nil {
			t.Fatalf("seed %d: a piece beyond the last", seed)
		}
	}
}

func TestAKeyIsFiledUnderAnotherClaim(t *testing.T) {
	w := window(t, 10, 0)
	first, second := &Claim{}, &Claim{}
	k := ids(1, 2)
	w.Judge(now, second, k, nil)
	w.File(now, k[0], first)
	for claim, want := range map[*Claim]Verdict{first: Retry, second: Duplicate} {
		if got := w.Judge(now, claim, k, nil)[0]; got != want {
			t.Errorf("verdict %v, want %v", got, want)
		}
	}
	if n := len(w.order.blocks[0]); n != 1 {
		t.Errorf("a key stands %d times in the order", n)
	}
}

// The window as the connections of a firehose use it: keys new, keys that a
// redundant copy brings again, from one goroutine and from forty, which share
// twenty windows or one.
func BenchmarkWindow(b *testing.B) {
	const keys, perRead = 1_000_000, 64
	for _, c := range []struct {
		what                string
		goroutines, windows int
		known               bool
	}{
		{"new/1 goroutine", 1, 1, false},
		{"known/1 goroutine", 1, 1, true},
		{"new/40 goroutines, 20 windows", 40, 20, false},
		{"known/40 goroutines, 20 windows", 40, 20, true},
		{"new/40 goroutines, 1 window", 40, 1, false},
		{"known/40 goroutines, 1 window", 40, 1, true},
	} {
		b.Run(c.what, func(b *testing.B) {
			before := heap()
			windows := make([]owned, c.windows)
			for i := range windows {
				windows[i].Window, _ = NewWindow(keys/c.windows, 0)
				judgeAll(&windows[i], uint64(i), 0, keys/c.windows, perRead)
			}
			perKey := float64(heap()-before) / keys
			each := b.N/c.goroutines + 1
			var running sync.WaitGroup
			b.ResetTimer()
			for g := range c.goroutines {
				w := g % c.windows
				from := 0
				if !c.known {
					from = keys + g*each
				}
				running.Go(func() { judgeAll(&windows[w], uint64(w), from, each, perRead) })
			}
			running.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
			b.ReportMetric(perKey, "B/key")
			runtime.KeepAlive(windows)
		})
	}
}

// owned is a window and the lock of its owner.
type owned struct {
	sync.Mutex
	*Window
}

// judgeAll shows a window n keys of a series, from one on, in reads; those it
// was filled with come again after the last.
func judgeAll(w *owned, series uint64, from, n, perRead int) {
	claim := &Claim{}
	keys := make([]Key, perRead)
	var verdicts []Verdict
	for done := 0; done < n; done += perRead {
		for i := range keys {
			at := from + done + i
			if from == 0 {
				at %= w.capacity
			}
			keys[i] = Snowflake(series<<56 | uint64(at)<<20)
		}
		w.Lock()
		verdicts = w.Judge(now, claim, keys[:min(perRead, n-done)], verdicts[:0])
		w.Unlock()
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What a caller holds its lock for: a look through one of the pieces of a
// million keys.
func BenchmarkLook(b *testing.B) {
	w := owned{}
	w.Window, _ = NewWindow(1_000_000, 0)
	judgeAll(&w, 0, 0, 2_000_000, 64)
	longest := time.Duration(0)
	for n := 0; b.Loop(); n++ {
		began := time.Now()
		w.Look(n%w.Pieces(), func(id uint64, at time.Time) bool { return id>>20%100 == 0 })
		longest = max(longest, time.Since(began))
	}
	b.ReportMetric(float64(longest.Microseconds()), "us/longest")
}
