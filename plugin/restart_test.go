package plugin

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/redpanda-data/benthos/v4/public/components/io" // the file cache

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

const checkpointed = "checkpoint_cache: state"

// withState gives the world's pipelines a cache in files.
func (w *world) withState() (dir string) {
	dir = w.TempDir()
	w.cache = fmt.Sprintf("label: state\nfile:\n  directory: %s", dir)
	return dir
}

// A graceful stop and a start some time later: nothing is missing, and nothing
// comes twice, whatever was under way.
func TestGracefulRestartsRepeatNothing(t *testing.T) {
	for _, away := range []time.Duration{0, time.Second, 20 * time.Second, 2 * time.Minute, 10 * time.Minute, 3 * time.Hour} {
		t.Run(away.String(), func(t *testing.T) {
			rate := rate()
			if away > time.Hour {
				rate /= 5
			}
			inWorld(t, simulator.Config{Rate: rate}, func(w *world) {
				w.withState()
				w.batching = "{count: 50, period: 1s}"
				for range 3 {
					stop := w.pipeline(checkpointed, "")
					time.Sleep(95 * time.Second) // a backfill that this run asked for may not have settled
					stop()
					time.Sleep(away)
				}
				stop := w.pipeline(checkpointed, "")
				time.Sleep(10 * time.Minute)
				until := time.Now().Add(-15 * time.Second)
				stop()
				w.missing(w.began.Add(time.Second), until)
				if n := w.repeated(); n != 0 {
					t.Errorf("%d repeats; log:\n%s", n, w.log.String())
				}
				if len(w.lost()) > 0 {
					t.Errorf("losses are recorded; log:\n%s", w.log.String())
				}
			})
		})
	}
}

// X's own example: 90 seconds away, two minutes of backfill, and 30 seconds of
// repeats that are dropped.
func TestXsOwnExampleOfABackfill(t *testing.T) {
	inWorld(t, simulator.Config{Rate: rate()}, func(w *world) {
		w.withState()
		stop := w.pipeline(checkpointed+"\nrepair: {overlap: 15s}", "")
		time.Sleep(5 * time.Minute)
		stop()
		time.Sleep(90 * time.Second)
		stop = w.pipeline(checkpointed+"\nrepair: {overlap: 15s}", "")
		time.Sleep(3 * time.Minute)
		until := time.Now().Add(-15 * time.Second)
		stop()
		connects := w.connects()
		if last := connects[len(connects)-1]; len(connects) != 2 || last.BackfillMinutes != 2 {
			t.Errorf("connects %+v, want two, the second with two minutes of backfill", connects)
		}
		w.missing(w.began.Add(time.Second), until)
		w.noRepeats()
	})
}

// A checkpoint that cannot be this pipeline's ends the start with one line.
func TestACheckpointThatCannotBeReadEndsTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(t *testing.T, dir string)
		fields string
		says   string
	}{
		"damaged in both":  {overwrite("a", "b"), checkpointed, "damaged"},
		"no such cache":    {func(*testing.T, string) {}, "checkpoint_cache: nowhere", "cache_resources"},
		"a start to come":  {func(*testing.T, string) {}, "start_from: 2999-01-01T00:00:00Z", "in the future"},
		"an interval of 4": {func(*testing.T, string) {}, checkpointed + "\ncheckpoint_interval: 4s", "at most 3s"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, simulator.Config{Rate: 1}, func(w *world) {
				dir := w.withState()
				stop := w.pipeline(checkpointed, "")
				time.Sleep(time.Minute)
				stop()
				c.spoil(t, dir)
				err := w.refused(c.fields)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("the start says %v, want %q", err, c.says)
				}
			})
		})
	}
}

func overwrite(slots ...string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		for _, s := range slots {
			if err := os.WriteFile(filepath.Join(dir, "x_stream.1."+s), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAForeignCheckpointEndsTheStart(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"another stream": func(w *world) { w.stream = "sample" },
		"another host":   func(w *world) { w.base = "http://localhost" },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, simulator.Config{Rate: 1}, func(w *world) {
				w.withState()
				stop := w.pipeline(checkpointed, "")
				time.Sleep(time.Minute)
				stop()
				change(w)
				if err := w.refused(checkpointed); err == nil || !strings.Contains(err.Error(), "belongs to another stream") {
					t.Errorf("the start says %v", err)
				}
			})
		})
	}
}

// One slot may be torn: the other is an interval older.
func TestATornSlotCostsAnInterval(t *testing.T) {
	inWorld(t, simulator.Config{Rate: rate()}, func(w *world) {
		dir := w.withState()
		stop := w.pipeline(checkpointed, "")
		time.Sleep(2 * time.Minute)
		stop()
		overwrite("a")(t, dir)
		stop = w.pipeline(checkpointed, "")
		time.Sleep(3 * time.Minute)
		until := time.Now().Add(-15 * time.Second)
		stop()
		w.missing(w.began.Add(time.Second), until)
	})
}

// Two processes on one key: the second is refused as long as the first lives.
func TestASecondProcessOnTheSameKeyIsRefused(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 1}, func(w *world) {
		w.withState()
		stop := w.pipeline(checkpointed, "")
		time.Sleep(time.Minute)
		if err := w.refused(checkpointed); err == nil || !strings.Contains(err.Error(), "another live process") {
			t.Errorf("the start says %v", err)
		}
		if up := len(w.sim.Connections().Open); up != 1 {
			t.Errorf("%d connections, want the first's", up)
		}
		stop()
	})
}

func TestStartFromFetchesThePast(t *testing.T) {
	inWorld(t, simulator.Config{Rate: rate() / 5}, func(w *world) {
		stop := w.pipeline("start_from: -3h", "")
		time.Sleep(10 * time.Minute)
		until := time.Now().Add(-15 * time.Second)
		stop()
		w.missing(w.began.Add(-3*time.Hour), until)
		w.noRepeats()
		if got := w.asked(true); got.recoveries < 2 || got.searches != 0 {
			t.Errorf("asked for %+v", got)
		}
	})
}
