package repair

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

const tolerance = 3 * time.Minute // margins, and the time until the first request

func near(a, b time.Duration) bool { return (a - b).Abs() <= tolerance }

// every calls test with each subset of the methods.
func every(test func(methods []Method)) {
	for bits := range 8 {
		var methods []Method
		for n, m := range []Method{Backfill, Recovery, Search} {
			if bits&(1<<n) != 0 {
				methods = append(methods, m)
			}
		}
		test(methods)
	}
}

// An outage of a process that was down, and reconnects at once: what is repaired
// by which method in how many requests, and what is lost, depends only on the
// ages of the parts and on what is allowed and granted.
func TestOutages(t *testing.T) {
	for _, length := range []time.Duration{
		time.Second, 59 * time.Second, 4 * time.Minute, 5*time.Minute + 500*time.Millisecond, 10 * time.Minute,
		2 * time.Hour, 3 * time.Hour, 23 * time.Hour, 30 * time.Hour,
	} {
		every(func(methods []Method) {
			every(func(refused []Method) {
				for _, m := range refused {
					if !slices.Contains(methods, m) {
						return
					}
				}
				t.Run(fmt.Sprint(length, methods, "refused", refused), func(t *testing.T) { outage(t, length, methods, refused) })
			})
		})
	}
}

func outage(t *testing.T, length time.Duration, methods, refused []Method) {
	w := newWorld(t, Config{Methods: methods})
	for e := range endpoints {
		w.refuses[e] = slices.Contains(refused, e.method())
	}
	whole := w.gap(1, length, 0)
	w.due[1] = true
	w.plan()
	// The connection opens; its backfill has settled when X serves one.
	can := func(m Method) bool { return slices.Contains(methods, m) && !slices.Contains(refused, m) }
	if can(Backfill) {
		w.ledgers[1].Received(coverage.Interval{From: w.now.Add(-backfillReach), To: w.now})
	} else {
		w.p.NoBackfill(w.now)
	}
	w.due[1] = false
	w.run(w.now.Add(8 * 24 * time.Hour))

	left := length
	if can(Backfill) {
		left = max(0, left-backfillReach)
	}
	want := map[Method]time.Duration{}
	if can(Recovery) {
		young := backfillReach
		if !can(Backfill) {
			young = 0
		}
		want[Recovery] = min(left, recoveryReach-young)
		left -= want[Recovery]
	}
	if can(Search) {
		want[Search] = left
		left = 0
	}
	for _, m := range []Method{Recovery, Search} {
		sum, n := total(w.asked, m)
		requests := int((max(0, want[m]-tolerance) + w.cfg.Window - 1) / w.cfg.Window)
		if requests == 0 && want[m] > time.Second {
			requests = 1
		}
		if !near(sum, want[m]) || n < requests || n > requests+1 || n > 1 && n > int(want[m]/w.cfg.Window)+1 {
			t.Errorf("%v brought %v in %d requests, want %v in %d", m, sum, n, want[m], requests)
		}
	}
	var lost time.Duration
	for _, l := range w.lost {
		lost += l.Duration()
	}
	if !near(lost, left) || left == 0 && !can(Recovery) && lost > 0 || len(want) == 0 && lost != left {
		t.Errorf("lost %v, want %v of %v: %v", lost, left, whole, w.gone)
	}
	if open := w.gaps(); len(open) > 0 {
		t.Errorf("still open: %v", open)
	}
	if len(methods) == 0 && w.gone[NoMethod] != length {
		t.Errorf("lost: %v", w.gone)
	}
}

// A process that runs meanwhile: X is gone for three hours and lets nobody in.
// Requests are not wasted on slices of a gap that grows, nor losses told bit
// by bit.
func TestOutageThatIsWatched(t *testing.T) {
	for _, c := range []struct {
		methods  []Method
		requests int
		lost     string
	}{
		{[]Method{Backfill}, 0, BeyondBackfill},
		{[]Method{Backfill, Recovery}, 2, ""},
		{[]Method{Recovery}, 2, ""},
		{[]Method{Backfill, Search}, 2, ""},
		{[]Method{Search}, 2, ""},
	} {
		w := newWorld(t, Config{Methods: c.methods})
		w.gap(0, 0, 0)
		w.due[0] = true
		w.fails = func(Job) (Outcome, time.Duration) { return Broken, 0 }
		w.now = w.now.Add(time.Millisecond)
		start := w.now
		plans := 0
		for end := w.now.Add(3 * time.Hour); w.now.Before(end); plans++ {
			w.advance(earlier(w.plan(), end))
		}
		if tries := len(w.asked); c.requests > 0 && (tries < 55 || tries > 70) || plans > 300 {
			t.Errorf("%v: %d tries, %d plans", c.methods, tries, plans)
		}
		w.fails, w.asked = nil, nil
		if slices.Contains(c.methods, Backfill) {
			w.ledgers[0].Received(coverage.Interval{From: w.now.Add(-backfillReach), To: w.now})
		}
		w.due[0] = false
		w.run(w.now.Add(time.Hour))
		if len(w.asked) != c.requests || len(w.gaps()) > 0 {
			t.Errorf("%v: asked for %v, open %v", c.methods, w.asked, w.gaps())
		}
		want := map[string]time.Duration{}
		if c.lost != "" {
			want[c.lost] = start.Add(3*time.Hour - time.Millisecond - backfillReach).Sub(start)
		}
		if fmt.Sprint(slices.Sorted(keys(w.gone))) != fmt.Sprint(slices.Sorted(keys(want))) || !near(w.gone[c.lost], want[c.lost]) || len(w.lost) > 20 {
			t.Errorf("%v: lost %v in %d entries, want %v", c.methods, w.gone, len(w.lost), want)
		}
	}
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestWindowIsAskedForWhenAMinuteOld(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Recovery}})
	gap := w.gap(0, 130*time.Minute, 10*time.Second)
	w.plan()
	if len(w.asked) != 1 || w.asked[0].Window.Duration() != 2*time.Hour {
		t.Fatalf("at first: %v", w.asked)
	}
	w.run(w.now.Add(time.Hour))
	if len(w.asked) != 2 || !w.asked[1].Window.To.Equal(gap.To) {
		t.Errorf("asked for %v", w.asked)
	}
}

func TestOldestOfAllPartitionsComesFirst(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Recovery}, MaxJobs: 3})
	for partition, age := range []time.Duration{5, 23, 9, 20} {
		w.gap(partition, age*time.Hour, (age-1)*time.Hour)
	}
	w.run(w.now.Add(time.Hour))
	var order []int
	for _, j := range w.asked {
		order = append(order, j.Partition)
	}
	if !slices.Equal(order, []int{1, 3, 2, 0}) {
		t.Errorf("partitions in the order %v", order)
	}
}

func TestHealthyConnectionIsOpenedAgainOnce(t *testing.T) {
	for _, c := range []struct {
		from, to time.Duration // ages
		after    time.Duration
	}{
		{30 * time.Second, 20 * time.Second, 40 * time.Second},               // a minute old at its end
		{3*time.Minute + 50*time.Second, 10 * time.Second, 10 * time.Second}, // four minutes at its start
		{2 * time.Minute, 90 * time.Second, 0},
	} {
		w := newWorld(t, Config{Methods: []Method{Backfill, Search}})
		w.gap(0, c.from, c.to)
		start := w.now
		w.run(w.now.Add(20 * time.Minute))
		if len(w.reopened) != 1 || w.reopened[0].Sub(start) != c.after {
			t.Errorf("%+v: opened again at %v, want %v after %v", c, w.reopened, c.after, start)
		}
		// Its backfill has brought nothing, so the part is searched.
		if _, n := total(w.asked, Search); n == 0 || n > 2 || len(w.lost) > 0 {
			t.Errorf("%+v: asked for %v, lost %v", c, w.asked, w.lost)
		}
	}
}

// A stray 403 costs an hour, not the data.
func TestRefusedMethodIsTriedAgain(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Backfill, Recovery}})
	w.refuses[recovery] = true
	w.gap(0, 10*time.Hour, 9*time.Hour)
	w.run(w.now.Add(30 * time.Minute))
	if out := w.p.LeftOut(w.now); len(out) != 1 || out[0] != (LeftOut{Recovery, false, epoch.Add(time.Hour + time.Second)}) {
		t.Errorf("left out: %v", out)
	}
	w.run(epoch.Add(150 * time.Minute))
	if len(w.refused) != 3 || len(w.asked) != 0 || len(w.lost) != 0 {
		t.Errorf("refused %v, asked for %v, lost %v", w.refused, w.asked, w.lost)
	}
	w.refuses[recovery] = false
	w.run(epoch.Add(24 * time.Hour))
	if sum, n := total(w.asked, Recovery); sum != time.Hour || n != 1 || len(w.gaps()) > 0 || len(w.p.LeftOut(w.now)) > 0 {
		t.Errorf("asked for %v, open %v", w.asked, w.gaps())
	}
}

func TestReasons(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		cfg     Config
		refuses endpoint
		age     time.Duration
		want    string
		within  time.Duration // it is lost by then, and not much sooner
	}{
		"no method":              {Config{}, -1, time.Hour, NoMethod, 0},
		"only backfill":          {Config{Methods: []Method{Backfill}}, -1, 2 * time.Hour, BeyondBackfill, 0},
		"recovery, too old":      {Config{Methods: []Method{Recovery}}, -1, 30 * time.Hour, BeyondRecovery, 0},
		"recovery, refused":      {Config{Methods: []Method{Recovery}}, recovery, 20 * time.Hour, NoRecovery, 5 * time.Hour},
		"search, too old":        {Config{Methods: []Method{Search}}, -1, 8 * day, BeyondSearch, 0},
		"search, refused":        {Config{Methods: []Method{Recovery, Search}}, recent, 6 * day, NoSearch, 25 * time.Hour},
		"archive, refused":       {Config{Methods: []Method{Search}, SearchAll: true}, archive, 8 * day, NoSearch, 25 * time.Hour},
		"too old for the user":   {Config{Methods: []Method{Recovery, Search}, MaxAge: 3 * time.Hour}, -1, 5 * time.Hour, MaxAge, 0},
		"too old while it waits": {Config{Methods: []Method{Recovery}, MaxAge: 3 * time.Hour}, recovery, 2*time.Hour + 30*time.Minute, MaxAge, time.Hour + 30*time.Minute},
		"too many Posts":         {Config{Methods: []Method{Search}, MaxPosts: 600}, -1, day, MaxPosts, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.cfg)
			w.refuses[c.refuses] = true
			w.fails = func(j Job) (Outcome, time.Duration) {
				if posts := time.Duration(j.MaxPosts) * time.Second; j.MaxPosts > 0 && posts < j.Window.Duration() {
					return Capped, posts
				}
				return Done, j.Window.Duration()
			}
			w.gap(0, c.age, c.age-time.Hour)
			w.run(w.now.Add(c.within).Add(time.Second))
			want := time.Hour
			if c.cfg.MaxPosts > 0 {
				want -= 10 * time.Minute
			}
			if w.gone[c.want] != want || len(w.gone) != 1 {
				t.Errorf("lost %v, want %s; open %v, asked for %v", w.gone, c.want, w.gaps(), w.asked)
			}
		})
	}
}

// What the searches of one gap may bring is counted over all its windows.
func TestPostsOfAGapAreCountedOverItsWindows(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Search}, MaxPosts: 3 * 3600})
	w.gap(0, 10*time.Hour, 4*time.Hour)
	w.gap(1, 9*time.Hour, 8*time.Hour)
	w.fails = func(j Job) (Outcome, time.Duration) {
		if posts := time.Duration(j.MaxPosts) * time.Second; posts < j.Window.Duration() {
			return Capped, posts
		}
		return Done, j.Window.Duration()
	}
	w.run(w.now.Add(day))
	if w.gone[MaxPosts] != 3*time.Hour || len(w.gone) != 1 || len(w.asked) != 3 {
		t.Errorf("lost %v, asked for %v", w.gone, w.asked)
	}
}

const day = 24 * time.Hour

func TestArchiveIsForWhatRecentSearchCannotReach(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Recovery, Search}, SearchAll: true})
	w.gap(0, 8*day, 0)
	w.run(w.now.Add(day))
	times := map[endpoint]time.Duration{}
	for _, j := range w.asked {
		times[j.endpoint()] += j.Window.Duration()
	}
	for e, want := range map[endpoint]time.Duration{recovery: day, recent: 6 * day, archive: day} {
		if (times[e] - want).Abs() > 10*time.Hour {
			t.Errorf("endpoint %d: %v, want about %v", e, times[e], want)
		}
	}
	if len(w.gaps()) > 0 || len(w.lost) > 0 {
		t.Errorf("open %v, lost %v", w.gaps(), w.lost)
	}
}

func TestBrokenJobsBackOff(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Recovery}, MaxJobs: 1})
	w.gap(0, 2*time.Hour, time.Hour)
	w.fails = func(Job) (Outcome, time.Duration) { return Broken, 0 }
	var at []time.Duration
	for n := 0; w.now.Before(epoch.Add(10 * time.Minute)); {
		again := w.plan()
		if len(w.asked) > n {
			n = len(w.asked)
			at = append(at, w.now.Sub(epoch).Round(time.Second))
		}
		w.advance(again)
	}
	var waits []int
	for n := range at[1:] {
		waits = append(waits, int((at[n+1] - at[n]).Seconds()))
	}
	if want := []int{1, 2, 4, 8, 16, 32, 60, 60}; !slices.Equal(waits[:len(want)], want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
}

func TestSuccessStartsTheBackoffOver(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Recovery}, MaxJobs: 1})
	w.gap(0, 5*time.Hour, time.Hour)
	w.fails = func(j Job) (Outcome, time.Duration) {
		if len(w.asked) == 4 {
			return Done, j.Window.Duration()
		}
		return Broken, 0
	}
	var last time.Time
	for len(w.asked) < 6 {
		n := len(w.asked)
		again := w.plan()
		if len(w.asked) == 6 && n == 5 && w.now.Sub(last) > 2*time.Second {
			t.Errorf("waited %v", w.now.Sub(last))
		}
		if len(w.asked) > n {
			last = w.now
		}
		w.advance(again)
	}
}

// A gap that grows for hours, where older than an hour is lost: what is about
// to be too old is asked for before it fills a window.
func TestGrowingGapIsAskedForInTime(t *testing.T) {
	w := newWorld(t, Config{Methods: []Method{Backfill, Recovery}, MaxAge: time.Hour})
	w.gap(0, 0, 0)
	w.due[0] = true
	w.now = w.now.Add(time.Millisecond)
	for end := w.now.Add(5 * time.Hour); w.now.Before(end); {
		w.advance(earlier(w.plan(), end))
	}
	if sum, n := total(w.asked, Recovery); len(w.lost) > 0 || sum < 4*time.Hour || n > 30 {
		t.Errorf("lost %v; %v in %d requests", w.gone, sum, n)
	}
}

// Random gaps, settings, failures and reconnects: the rules that the world
// checks hold for every plan, and every moment is repaired or lost at the end.
func TestEveryMomentIsRepairedOrLost(t *testing.T) {
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 1))
		any := func(of ...time.Duration) time.Duration { return of[r.IntN(len(of))] }
		cfg := Config{
			Window: any(10*time.Minute, 2*time.Hour), MaxAge: any(0, 0, 90*time.Second, 7*time.Minute, 3*time.Hour, 9*day),
			MaxJobs: 1 + r.IntN(3), SearchAll: r.IntN(2) == 0, MaxPosts: int(any(0, 5000)),
		}
		for _, m := range []Method{Backfill, Recovery, Search} {
			if r.IntN(4) > 0 {
				cfg.Methods = append(cfg.Methods, m)
			}
		}
		w := newWorld(t, cfg)
		w.speed = 1 + 20*r.Float64()
		w.fails = func(j Job) (Outcome, time.Duration) {
			part := time.Duration(r.Int64N(int64(j.Window.Duration())))
			if posts := time.Duration(j.MaxPosts) * time.Second; j.MaxPosts > 0 && posts < j.Window.Duration() {
				return Capped, posts
			}
			if r.IntN(3) == 0 {
				return Broken, part
			}
			return Done, j.Window.Duration()
		}
		for range 60 {
			partition := r.IntN(3)
			from := time.Duration(r.Int64N(int64(any(2*time.Second, time.Minute, 10*time.Minute, 3*time.Hour, 26*time.Hour, 8*day))))
			w.gap(partition, from, time.Duration(r.Int64N(int64(from)+1)))
			w.due[r.IntN(3)] = r.IntN(3) == 0
			for e := range endpoints {
				w.refuses[e] = r.IntN(6) == 0
			}
			w.p.access[backfill] = access{}
			if w.refuses[backfill] {
				w.p.NoBackfill(w.now)
			}
			w.run(w.now.Add(time.Duration(r.Int64N(int64(20 * time.Minute)))))
			if t.Failed() {
				t.Fatalf("seed %d, %+v", seed, cfg)
			}
		}
		clear(w.due)
		clear(w.refuses)
		w.run(w.now.Add(60 * day))
		if open := w.gaps(); len(open) > 0 || len(w.p.Jobs()) > 0 {
			t.Fatalf("seed %d: open %v, running %v", seed, open, w.p.Jobs())
		}
	}
}
