package plugin

import (
	"regexp"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// A small queue and a small send buffer, so that a slow output is felt at X
// within seconds.
const smallBounds = "queue_bytes: 20000\nin_flight_bytes: 20000"

var xCuts = map[string]simulator.Overflow{
	"reset":  simulator.OverflowReset,
	"end":    simulator.OverflowEnd,
	"silent": simulator.OverflowSilent,
}

// outputStops runs a pipeline whose output stands still for a while, once for
// each way in which X cuts a reader that is too slow, and then judge with the
// period that the sink must account for.
func outputStops(t *testing.T, while time.Duration, fields string, judge func(w *world, from, to time.Time)) {
	for name, overflow := range xCuts {
		t.Run(name, func(t *testing.T) {
			inWorld(t, simulator.Config{Rate: 10, SendBuffer: 40_000, Overflow: overflow}, func(w *world) {
				stop := w.pipeline(smallBounds+"\n"+fields, "")
				time.Sleep(between)
				release := w.sink.hold()
				time.Sleep(while)
				release()
				w.resumed()
				time.Sleep(2 * between)
				until := time.Now().Add(-time.Second)
				stop()
				judge(w, w.began.Add(time.Second), until)
				w.noRepeats()
				if cut := w.log.matching("connection lost"); len(cut) == 0 {
					t.Error("X did not cut the connection: the test proves nothing")
				}
			})
		})
	}
}

func TestOutputThatStopsForTwoMinutesLosesNothing(t *testing.T) {
	outputStops(t, 2*time.Minute, "repair: {methods: [backfill]}", func(w *world, from, to time.Time) { w.missing(from, to) })
}

// Recovery brings what X threw away.
func TestOutputThatStopsForTwentyMinutesLosesNothing(t *testing.T) {
	outputStops(t, 20*time.Minute, "", func(w *world, from, to time.Time) { w.missing(from, to) })
}

// Without recovery, what X threw away while the output stood still for longer
// than a backfill reaches back is a recorded loss, and nothing else is missing.
func TestOutputThatStopsForTenMinutesLosesOnlyWhatIsRecorded(t *testing.T) {
	outputStops(t, 10*time.Minute, "repair: {methods: [backfill]}", func(w *world, from, to time.Time) {
		if w.onlyRecordedLosses(from, to) == 0 {
			w.Error("nothing is missing: the test proves nothing")
		}
	})
}

// onlyRecordedLosses fails the test if a Post that was delivered between two
// moments is neither in the sink nor in a period that the log calls lost. It
// returns how many are missing.
func (w *world) onlyRecordedLosses(from, to time.Time) (missing int) {
	w.Helper()
	recorded := map[string]bool{}
	for _, p := range w.lost() {
		for _, id := range w.expected(p[0], p[1]) {
			recorded[id] = true
		}
	}
	have := w.sink.ids()
	unrecorded := 0
	for _, id := range w.expected(from, to) {
		if have[id] > 0 {
			continue
		}
		missing++
		if !recorded[id] {
			unrecorded++
		}
	}
	if unrecorded > 0 {
		w.Errorf("%d Posts are missing, of which %d are in no recorded loss; log:\n%s", missing, unrecorded, w.log.String())
	}
	return missing
}

var lostPeriod = regexp.MustCompile(`events are lost.* period=(\S+) to (\S+)`)

// lost are the periods that the log calls lost.
func (w *world) lost() [][2]time.Time {
	w.Helper()
	var all [][2]time.Time
	for _, line := range w.log.matching("events are lost") {
		m := lostPeriod.FindStringSubmatch(line)
		if m == nil {
			w.Fatalf("no period in %q", line)
		}
		var p [2]time.Time
		for i := range p {
			var err error
			if p[i], err = time.Parse(time.RFC3339, m[i+1]); err != nil {
				w.Fatal(err)
			}
		}
		all = append(all, p)
	}
	return all
}

func TestStalledConnectionIsLeftWithinItsTimeout(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 20}, func(w *world) {
		w.pipeline("heartbeat_timeout: 25s", "")
		time.Sleep(time.Minute)
		w.fault(simulator.Fault{Kind: simulator.Stall})
		time.Sleep(24 * time.Second)
		if lost := w.log.matching("connection lost"); len(lost) > 0 {
			t.Errorf("left too early: %s", lost[0])
		}
		time.Sleep(2 * time.Second)
		if lost := w.log.matching("heartbeat_timeout"); len(lost) != 1 {
			t.Errorf("not left within a second after the timeout; log:\n%s", w.log.String())
		}
	})
}

func TestQuietConnectionWithHeartbeatsIsKept(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 1.0 / 3600}, func(w *world) {
		w.pipeline("heartbeat_timeout: 21s", "")
		time.Sleep(6 * time.Hour)
		if lost := w.log.matching("connection lost"); len(lost) > 0 {
			t.Errorf("left: %s", lost[0])
		}
	})
}

func TestSilenceOfDataEndsAConnectionWhenItIsWatched(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 1.0 / 600}, func(w *world) {
		w.pipeline("silence_timeout: 5m", "")
		time.Sleep(6 * time.Hour)
		if lost := w.log.matching("no data for 5m0s"); len(lost) == 0 {
			t.Errorf("kept; log:\n%s", w.log.String())
		}
	})
}

// X's buffer is large here, so nothing is cut: what waits is our own queue.
func TestReaderThatWaitsForRoomIsNotTakenForDead(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 10, SendBuffer: 1 << 30}, func(w *world) {
		stop := w.pipeline(smallBounds, "")
		time.Sleep(time.Minute)
		release := w.sink.hold()
		time.Sleep(10 * time.Minute)
		release()
		time.Sleep(time.Minute)
		until := time.Now().Add(-10 * time.Second)
		stop()
		if lost := w.log.matching("connection lost"); len(lost) > 0 {
			t.Errorf("left: %s", lost[0])
		}
		w.missing(w.began.Add(time.Second), until)
	})
}

// An output that waits for more than in_flight_bytes before it writes gets it
// only by its period: that works, slowly, and is said.
func TestBatchingBeyondTheBoundIsWarnedOf(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 10, SendBuffer: 1 << 30}, func(w *world) {
		w.batching = "{count: 1000000, period: 1m}"
		stop := w.pipeline("in_flight_bytes: 100000", "")
		time.Sleep(5 * time.Minute)
		stop()
		if warned := w.log.matching("in_flight_bytes holds the stream up"); len(warned) != 1 {
			t.Errorf("%d warnings that name the bound, want one; log:\n%s", len(warned), w.log.String())
		}
		if w.sink.count() == 0 {
			t.Error("nothing was written")
		}
	})
}
