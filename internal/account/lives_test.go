package account

import (
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	manyLives = flag.Uint64("lives", 0, "how many lives TestLives lives; 0: as many as the size of the test says")
	oneLife   = flag.Uint64("life", 0, "the seed of the one life that TestLives lives, and tells step by step; 0: many")
)

// lived are seeds of lives that find what is named, where it is not mended.
var lived = map[uint64]string{
	7843: "a pinned key was filed under the claim of its repeat",
	11:   "the end of coverage that the output had reached was not in the record",
	9:    "a restart forgot how late events are",
	8853: "a recovery ended beside what was lost",
	4564: "a recovery ended beside a search that waited for the output",
	3079: "a recovery and a backfill did not overlap",
	2:    "a restart forgot what was on its way at the start",
}

// Thousands of accounts live, each by another seed, and what each says is held
// against the truth at each step. In CI the seeds are the same each time.
func TestLives(t *testing.T) {
	if *oneLife > 0 {
		l := newLife(*oneLife)
		l.trail = []string{}
		err := l.live()
		t.Log("\n" + strings.Join(l.trail, "\n"))
		if err != nil {
			t.Error(err)
		}
		return
	}
	for seed, found := range lived {
		if err := newLife(seed).live(); err != nil {
			t.Errorf("the life %d, which once found that %s: %v", seed, found, err)
		}
	}
	lives := uint64(5000)
	switch {
	case *manyLives > 0:
		lives = *manyLives
	case testing.Short():
		lives = 500
	}
	first := uint64(1)
	if os.Getenv("CI") != "true" {
		first = rand.Uint64() >> 16
	}
	var next, failed atomic.Uint64
	var living sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		living.Go(func() {
			for n := next.Add(1) - 1; n < lives && failed.Load() < 5; n = next.Add(1) - 1 {
				if err := newLife(first + n).live(); err != nil {
					failed.Add(1)
					t.Errorf("%v\nsee it again with: go test ./internal/account -run TestLives -v -life %d", err, first+n)
				}
			}
		})
	}
	living.Wait()
	t.Logf("%d lives from seed %d on", lives, first)
}
