package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The times are what a user waits for at a restart after a crash.
func TestMarkThatStandsStillIsTakenOver(t *testing.T) {
	for _, c := range []struct{ interval, want time.Duration }{
		{50 * time.Millisecond, 3 * time.Second},
		{time.Second, 3 * time.Second},
		{2 * time.Second, 6 * time.Second},
		{MaxInterval, 9 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			o := options
			o.Interval = c.interval
			k, _, err := Open(t.Context(), m, key, o)
			if err != nil {
				t.Fatal(err)
			}
			save(t, k, "1")
			began := time.Now()
			o = options // the next process has another interval: the owner's counts
			var told []string
			o.Waiting = func(err error) { told = append(told, err.Error()) }
			_, payload, err := Open(t.Context(), m, key, o)
			if err != nil || string(payload) != "1" {
				t.Fatalf("%s, %v", payload, err)
			}
			if waited := time.Since(began); waited != c.want+settle {
				t.Errorf("interval %v: taken over after %v, want %v", c.interval, waited, c.want+settle)
			}
			if len(told) != 1 || !strings.Contains(told[0], key) {
				t.Errorf("told %q", told)
			}
		})
	}
}

// What a record says is not trusted to be an interval that Open would take.
func TestWatchIsNeverLongerThanTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ms := range []int64{1 << 40, -1 << 40} {
			m := newMemory()
			r := stored(5, "1")
			r.Released, r.IntervalMS = false, ms
			m.write(t, ".a", r)
			began := time.Now()
			open(t, m)
			if waited := time.Since(began) - settle; waited < minStill || waited > maxStill {
				t.Errorf("%d ms: watched for %v", ms, waited)
			}
		}
	})
}

func TestReleasedRecordIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, _ := open(t, m)
		release(t, k, "1")
		began := time.Now()
		if _, payload := open(t, m); payload != "1" || time.Since(began) != 0 {
			t.Errorf("%q after %v", payload, time.Since(began))
		}
	})
}

// A rolling restart: the old process ends while the new one watches.
func TestRecordReleasedDuringTheWatchIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, _ := open(t, m)
		save(t, k, "1")
		go func() {
			time.Sleep(700 * time.Millisecond)
			release(t, k, "2")
		}()
		began := time.Now()
		if _, payload := open(t, m); payload != "2" || time.Since(began) > time.Second {
			t.Errorf("%q after %v", payload, time.Since(began))
		}
	})
}

// tick saves at every interval until it fails or ctx ends.
func tick(ctx context.Context, k *Keeper, name string) error {
	for n := 0; ; n++ {
		if err := pause(ctx, k.options.Interval); err != nil {
			return nil
		}
		if err := k.Save(ctx, fmt.Appendf(nil, `{%q:%d}`, name, n)); err != nil && ctx.Err() == nil && Final(err) {
			return err
		}
	}
}

func TestLiveRecordIsRefused(t *testing.T) {
	for _, interval := range []time.Duration{100 * time.Millisecond, time.Second, MaxInterval} {
		for phase := range 10 {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				o := options
				o.Interval = interval
				k, _, err := Open(t.Context(), m, key, o)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var lost error
				var wg sync.WaitGroup
				wg.Go(func() { lost = tick(ctx, k, "live") })
				time.Sleep(5*interval + time.Duration(phase)*interval/10)
				_, _, err = Open(t.Context(), m, key, options)
				if !errors.Is(err, ErrOwned) || !strings.Contains(err.Error(), `"xconnect.1"`) || !strings.Contains(err.Error(), "checkpoint_key") {
					t.Errorf("interval %v: %v", interval, err)
				}
				time.Sleep(5 * interval)
				cancel()
				wg.Wait()
				if lost != nil {
					t.Errorf("interval %v: the live process was disturbed: %v", interval, lost)
				}
			})
		}
	}
}

// The owner could not save either while the store was away.
func TestOutageIsNoStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		k, _ := open(t, m)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var lost error
		var wg sync.WaitGroup
		wg.Go(func() { lost = tick(ctx, k, "live") })
		time.Sleep(1400 * time.Millisecond)
		began := time.Now()
		m.mu.Lock()
		m.before = func(string) error {
			if d := time.Since(began); d > 300*time.Millisecond && d < time.Minute {
				return errAway
			}
			return nil
		}
		m.mu.Unlock()
		if _, _, err := Open(t.Context(), m, key, options); !errors.Is(err, ErrOwned) {
			t.Errorf("%v, want ErrOwned", err)
		}
		cancel()
		wg.Wait()
		if lost != nil {
			t.Error(lost)
		}
	})
}

// While a value is being replaced, or the store was flushed, the number that is
// read can be lower. Only a new owner makes it a sign of life.
func TestWatchOfANumberThatGoesDown(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(t *testing.T, m *memory)
		want error
	}{
		"the newest slot is torn": {func(_ *testing.T, m *memory) { m.change(func(v map[string][]byte) { v[key+".b"] = nil }) }, nil},
		"flushed, and another process starts": {func(t *testing.T, m *memory) {
			m.change(func(v map[string][]byte) { clear(v) })
			open(t, m)
		}, ErrOwned},
		"flushed": {func(_ *testing.T, m *memory) { m.change(func(v map[string][]byte) { clear(v) }) }, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			k, _ := open(t, m)
			save(t, k, "0")
			save(t, k, "1")
			go func() {
				time.Sleep(1100 * time.Millisecond)
				c.harm(t, m)
			}()
			began := time.Now()
			_, payload, err := Open(t.Context(), m, key, options)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if waited := time.Since(began); err == nil && (string(payload) == "" || waited != minStill+settle) {
				t.Errorf("%s: opened with %q after %v", name, payload, waited)
			}
		})
	}
}

// A process that stood still, and finds another in its place, must never write
// again: not even after that one has ended.
func TestProcessThatWasTakenOverStops(t *testing.T) {
	for _, ended := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			old, _ := open(t, m)
			save(t, old, `"old"`)
			next, _ := open(t, m)
			save(t, next, `"next"`)
			if ended {
				release(t, next, `"next"`)
				s, err := readSlots(t.Context(), m, key)
				if err != nil {
					t.Fatal(err)
				}
				delete(m.values, s.next()) // so that only the released record tells
			}
			before := m.snapshot()
			for range 2 {
				if err := old.Save(t.Context(), []byte(`"old again"`)); !errors.Is(err, ErrOwned) {
					t.Errorf("%v, want ErrOwned", err)
				}
			}
			if err := old.Release(t.Context(), nil); !errors.Is(err, ErrOwned) {
				t.Errorf("%v, want ErrOwned", err)
			}
			if fmt.Sprint(m.snapshot()) != fmt.Sprint(before) {
				t.Error("it wrote")
			}
			if !ended {
				save(t, next, `"undisturbed"`)
			}
		})
	}
}

// Once another process has seen the mark, it counts for good: also when the
// slots are lost afterwards, or the other's record is written over.
func TestLostRecordStaysLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		old, _ := open(t, m)
		open(t, m)
		if err := old.Save(t.Context(), []byte("1")); !errors.Is(err, ErrOwned) {
			t.Fatal(err)
		}
		m.values = map[string][]byte{}
		if err := old.Save(t.Context(), []byte("2")); !errors.Is(err, ErrOwned) || len(m.values) != 0 {
			t.Errorf("%v, want ErrOwned and nothing written", err)
		}
	})
}

// A process that stopped between reading and writing does not know that it was
// taken over. Both must find out.
func TestLateWriteOfADeadProcessIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		old, _ := open(t, m)
		save(t, old, "1")
		paused := &pausedStore{memory: m, wake: make(chan struct{})}
		old.store = paused
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := old.Save(t.Context(), []byte(`"late"`)); err != nil {
				t.Errorf("the late write: %v", err)
			}
		})
		next, _ := open(t, m)
		save(t, next, "2")
		save(t, next, "3")
		close(paused.wake)
		wg.Wait()
		if err := next.Save(t.Context(), []byte("4")); !errors.Is(err, ErrOwned) {
			t.Errorf("the one that took over: %v", err)
		}
		if err := old.Save(t.Context(), []byte("5")); !errors.Is(err, ErrOwned) {
			t.Errorf("the one that was late: %v", err)
		}
	})
}

type pausedStore struct {
	*memory
	wake chan struct{}
}

func (p *pausedStore) Set(ctx context.Context, key string, value []byte) error {
	<-p.wake
	return p.memory.Set(ctx, key, value)
}

func TestTwentyPartitionsAreTakenOverInTheTimeOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var began time.Time
		for range 2 { // the first time they are new, the second time taken over
			began = time.Now()
			var wg sync.WaitGroup
			for n := range 20 {
				wg.Go(func() {
					o := options
					o.Identity.Partition = n + 1
					if _, _, err := Open(t.Context(), m, fmt.Sprintf("xconnect.%d", n+1), o); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		if waited := time.Since(began); waited != minStill+settle {
			t.Errorf("%v", waited)
		}
	})
}

// Two keepers that both believe that they own the record, in every order in
// which their reads and writes can come, from every state that they can be in.
// Both save twice, the second time after both have saved once.
func TestOneOfTwoStopsAfterTwoSavesInEveryOrder(t *testing.T) {
	orders := interleavings(3, 3)
	if len(orders) != 20 {
		t.Fatal(len(orders))
	}
	for _, owners := range []string{"PP", "PQ", "QP", "QQ"} {
		for _, ahead := range []uint64{0, 1, 2, 50} {
			for _, first := range orders {
				for _, second := range orders {
					synctest.Test(t, func(t *testing.T) {
						if !oneStops(t, owners, ahead, first+second) {
							t.Errorf("slots of %s, Q ahead by %d, order %s then %s: nobody stops", owners, ahead, first, second)
						}
					})
				}
			}
		}
	}
}

// interleavings are the orders in which p steps of P and q of Q can come.
func interleavings(p, q int) []string {
	if p == 0 {
		return []string{strings.Repeat("Q", q)}
	}
	if q == 0 {
		return []string{strings.Repeat("P", p)}
	}
	var all []string
	for _, rest := range interleavings(p-1, q) {
		all = append(all, "P"+rest)
	}
	for _, rest := range interleavings(p, q-1) {
		all = append(all, "Q"+rest)
	}
	return all
}

// oneStops runs two saves of P and Q in the given order of their calls to the
// store, one call a second, and reports whether one of them was stopped.
func oneStops(t *testing.T, owners string, ahead uint64, order string) bool {
	m := newMemory()
	keepers := map[byte]*Keeper{}
	for _, name := range []byte("PQ") {
		turns := &turns{memory: m}
		for n := range order {
			if order[n] == name {
				turns.at = append(turns.at, time.Now().Add(time.Duration(n+1)*time.Second))
			}
		}
		keepers[name] = &Keeper{store: turns, key: key, options: options, owner: string(name), sequence: 10}
	}
	keepers['Q'].sequence += ahead
	for n, suffix := range []string{".a", ".b"} {
		r := stored(keepers[owners[n]].sequence-uint64(n), "0")
		r.Owner, r.Released = owners[n:n+1], false
		m.write(t, suffix, r)
	}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for n, name := range []byte("PQ") {
		wg.Go(func() {
			for range 2 {
				if errs[n] = keepers[name].Save(t.Context(), []byte("1")); errs[n] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Is(errs[0], ErrOwned) || errors.Is(errs[1], ErrOwned)
}

// turns is a process's way to the store, with a time for each of its calls.
type turns struct {
	*memory
	at []time.Time
}

func (s *turns) next() {
	time.Sleep(time.Until(s.at[0]))
	s.at = s.at[1:]
}

func (s *turns) Get(ctx context.Context, key string) ([]byte, error) {
	s.next()
	return s.memory.Get(ctx, key)
}

func (s *turns) Set(ctx context.Context, key string, value []byte) error {
	s.next()
	return s.memory.Set(ctx, key, value)
}

// Three processes start within moments of each other, on a store whose answers
// take a random time. From a dead mark exactly one gets the record, from a new
// or a released one at most one keeps it.
func TestManyAtTheSameMoment(t *testing.T) {
	seeds := uint64(500)
	if testing.Short() {
		seeds = 100
	}
	for _, state := range []string{"new", "released", "dead"} {
		t.Run(state, func(t *testing.T) {
			survivors := map[int]int{}
			for seed := range seeds {
				synctest.Test(t, func(t *testing.T) { survivors[race(t, seed, state)]++ })
			}
			t.Logf("survivors: %v", survivors)
			if state == "dead" && survivors[1] != int(seeds) {
				t.Errorf("survivors: %v, want one each time", survivors)
			}
			if state != "dead" && survivors[1] == 0 {
				t.Errorf("survivors: %v: never one", survivors)
			}
		})
	}
}

// race returns how many of three processes are alive in the end.
func race(t *testing.T, seed uint64, state string) int {
	const slowest = 100 * time.Millisecond // of one call
	m := newMemory()
	if state != "new" {
		r := stored(6, `"before"`)
		r.Released = state == "released"
		m.write(t, ".b", r)
		r.Sequence = 5
		m.write(t, ".a", r)
		m.values[key] = []byte("{}")
	}
	random := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	upTo := func(d time.Duration) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(random.Int64N(int64(d)))
	}
	m.before = func(string) error { time.Sleep(upTo(slowest)); return nil }

	ctx, cancel := context.WithCancel(t.Context())
	var alive sync.Map // name -> since when
	var wg sync.WaitGroup
	for _, name := range []string{"P", "Q", "R"} {
		wg.Go(func() {
			time.Sleep(upTo(2 * slowest))
			k, payload, err := Open(ctx, m, key, options)
			if err != nil {
				if !errors.Is(err, ErrOwned) {
					t.Errorf("seed %d: %s: %v", seed, name, err)
				}
				return
			}
			if state != "new" && payload == nil {
				t.Errorf("seed %d: %s starts like new", seed, name)
			}
			alive.Store(name, time.Now())
			if err := tick(ctx, k, name); err != nil {
				since, _ := alive.LoadAndDelete(name)
				// Its own interval, the other's, and the calls of a save.
				if d := time.Since(since.(time.Time)); d > 2*options.Interval+6*slowest {
					t.Errorf("seed %d: %s noticed only after %v", seed, name, d)
				}
			}
		})
	}
	time.Sleep(20 * time.Second)
	count := 0
	alive.Range(func(name, _ any) bool {
		count++
		r, err := Read(ctx, m, key)
		if err != nil || !strings.Contains(string(r.Payload), name.(string)) {
			t.Errorf("seed %d: %s is alive, but the record is %s, %v", seed, name, r.Payload, err)
		}
		return true
	})
	cancel()
	wg.Wait()
	if count > 1 {
		t.Errorf("seed %d: %d are alive", seed, count)
	}
	return count
}
