package e2e

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// rounds runs so many rounds, four at a time: they wait more than they work. A
// round's random choices follow from its number and the seed that is logged.
func rounds(t *testing.T, n int, round func(t *testing.T, number int, random *rand.Rand)) {
	t.Helper()
	binary(t) // built before any round's time counts
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				t.Run(strconv.Itoa(i), func(t *testing.T) { round(t, i, rand.New(rand.NewPCG(seed, uint64(i)))) })
			}
		})
	}
	workers.Wait()
}

// kind is what a round's restarts have to repair.
type kind int

const (
	byBackfill kind = iota // what the restarts leave out
	beginning              // that, and what was before the first start, by recovery
	noBackfill             // that, by recovery
)

func (k kind) String() string {
	return [...]string{"backfill", "a beginning in the past", "no backfill"}[k]
}

// kindOf shares out the kinds. Rounds without backfill take minutes, for
// recovery has nothing that is younger than one, so they come first.
func kindOf(round int) kind {
	switch n := round % 20; {
	case n < 2:
		return noBackfill
	case n%5 == 2 || n%5 == 3:
		return beginning
	}
	return byBackfill
}

// A process that is killed at any moment, and again while it repairs, may
// repeat Posts. It never misses one.
func TestKilledAndStartedAgainMissesNothing(t *testing.T) {
	long(t)
	n := 20
	if soak() {
		n = 200
	}
	var mu sync.Mutex
	var total [3]struct{ rounds, kills, repeats, posts int }
	rounds(t, n, func(t *testing.T, number int, random *rand.Rand) {
		kind := kindOf(number)
		r := newRestarts(t, random, kind, 50)
		kills := 1 + random.IntN(3)
		if kind == noBackfill {
			kills = 2
		}
		for n := range kills {
			p := r.start()
			at := r.pick(n)
			at.wait(r, p)
			p.kill()
			if at.tears {
				r.tear()
			}
			r.trails()
			t.Logf("%6.1f s: killed while %s; %d rows", r.age(), at.name, r.table.rows())
		}
		have, owed := r.end(r.start())
		t.Logf("%d Posts owed in %.0f s (%s), %d kills, %d repeats", owed, r.age(), kind, kills, have.repeats())
		mu.Lock()
		defer mu.Unlock()
		sum := &total[kind]
		sum.rounds++
		sum.kills += kills
		sum.repeats += have.repeats()
		sum.posts += len(have)
	})
	for k, sum := range total {
		if sum.rounds > 0 {
			t.Logf("%s: %d rounds, %d kills, %d Posts, %d repeats, %.0f a kill", kind(k), sum.rounds, sum.kills, sum.posts, sum.repeats, float64(sum.repeats)/float64(sum.kills))
		}
	}
}

// A process that is stopped and started again neither misses nor repeats a
// Post.
func TestStoppedAndStartedAgainRepeatsNothing(t *testing.T) {
	long(t)
	n, first := 4, 2 // rounds without backfill are for the soak
	if soak() {
		n, first = 40, 0
	}
	rounds(t, n, func(t *testing.T, number int, random *rand.Rand) {
		kind := kindOf(first + number)
		r := newRestarts(t, random, kind, 50)
		stops := 2 + random.IntN(3)
		for range stops {
			p := r.start()
			r.delivering(p)
			time.Sleep(r.upTo(5 * time.Second))
			took := p.stop(syscall.SIGTERM)
			r.trails()
			r.savedAllKeys(p)
			t.Logf("%6.1f s: stopped within %s; %d rows", r.age(), took.Round(time.Millisecond), r.table.rows())
			time.Sleep(r.upTo(20 * time.Second))
		}
		p := r.start()
		have, owed := r.end(p)
		r.savedAllKeys(p)
		if repeats := have.repeats(); repeats > 0 {
			t.Errorf("%d repeats", repeats)
		}
		t.Logf("%d Posts owed in %.0f s (%s), %d stops before the last", owed, r.age(), kind, stops)
	})
}

// moment is one at which a process is killed.
type moment struct {
	name    string
	kinds   []kind // nil: all
	repairs bool   // there must be something to repair
	tears   bool   // the write of its checkpoint
	wait    func(r *restarts, p *process)
}

var moments = []moment{
	{name: "starting", wait: func(r *restarts, _ *process) { time.Sleep(r.upTo(5 * time.Second)) }},
	{name: "running", wait: func(r *restarts, p *process) {
		r.delivering(p)
		time.Sleep(r.upTo(4 * time.Second))
	}},
	{name: "writing its checkpoint", tears: true, wait: func(r *restarts, p *process) {
		r.delivering(p)
		time.Sleep(r.upTo(4 * time.Second))
	}},
	{name: "ending", wait: func(r *restarts, p *process) {
		r.delivering(p)
		time.Sleep(r.upTo(2 * time.Second))
		p.signal(syscall.SIGTERM)
		time.Sleep(r.upTo(r.period + 300*time.Millisecond))
	}},
	{name: "recovering", kinds: []kind{beginning, noBackfill}, repairs: true, wait: func(r *restarts, p *process) {
		r.recovering(p)
		time.Sleep(r.upTo(2 * time.Second))
	}},
	{name: "delivering what a recovery brought", kinds: []kind{beginning, noBackfill}, repairs: true, wait: func(r *restarts, p *process) {
		r.recovering(p)
		eventually(r.T, 2*time.Minute, "the end of a recovery, if there was anything to recover", func() bool {
			open, err := p.sample("x_stream_gap_open_seconds")
			return len(p.logged(`"repaired"`)) > 0 || err == nil && open == 0
		})
		time.Sleep(r.upTo(r.period))
	}},
}

// newRestarts is a fresh account with a pipeline that has not run yet.
func newRestarts(t *testing.T, random *rand.Rand, kind kind, rate float64) *restarts {
	either := func() bool { return random.IntN(2) == 0 }
	config := simulator.Config{Seed: random.Uint64(), Rate: rate, SendBuffer: 64 << 20, ReplaySpeed: 40,
		BackfillByCreation: either(), RecoveryByCreation: either(), InterleaveBackfill: either(),
		Account: simulator.Account{Connects: 1000}}
	if kind == noBackfill {
		config.Account.Backfill = simulator.Denied
	}
	x := startX(t, config)
	r := &restarts{T: t, x: x, kind: kind, random: random, config: config, created: time.Now(),
		period: 200*time.Millisecond + time.Duration(random.IntN(801))*time.Millisecond, table: newTable(t)}
	r.write(either)
	return r
}
