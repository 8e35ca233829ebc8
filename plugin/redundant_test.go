package plugin

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// allUp waits until that many connections are open.
func (w *world) allUp(connections int) {
	w.Helper()
	for limit := time.Now().Add(2 * time.Hour); len(w.sim.Connections().Open) < connections; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(limit) {
			w.Fatalf("%d connections are up after two hours, want %d; log:\n%s", len(w.sim.Connections().Open), connections, w.log.String())
		}
	}
}

// noGaps fails the test if there ever was a gap, or a backfill was asked for,
// or a message came twice.
func (w *world) noGaps() {
	w.Helper()
	if open := w.gauges.peak(w.T, "x_stream_gap_open_seconds"); open > 0 {
		w.Errorf("a gap of %v s was open", open)
	}
	for _, c := range w.connects() {
		if c.BackfillMinutes > 0 {
			w.Errorf("backfill was asked for at %s", c.At.Format(time.TimeOnly))
		}
	}
	w.noRepeats()
	if w.Failed() {
		w.Logf("log:\n%s", w.log.String())
	}
}

// With two connections the failure of one costs nothing: whatever fails, and
// however long, there is no gap, no repeat, and no moment at which the output
// hears less than it would have without faults.
func TestAnyFailureOfOneOfTwoConnectionsCostsNothing(t *testing.T) {
	for name, rate := range map[string]float64{"busy": rate() / 10, "quiet": 1.0 / 60} {
		t.Run(name, func(t *testing.T) {
			// run lets faults happen for at least that long, or none.
			run := func(length time.Duration, faults []simulator.Fault) (lasted, silence time.Duration) {
				inWorld(t, simulator.Config{Rate: rate}, func(w *world) {
					stop := w.pipeline("connections: 2", "")
					w.allUp(2)
					time.Sleep(time.Minute)
					for i := 0; i < len(faults) || len(faults) > 0 && time.Since(w.began) < length; i++ {
						w.oneFails(faults[i%len(faults)])
						w.allUp(2)
						time.Sleep(25 * time.Second)
					}
					time.Sleep(length - time.Since(w.began))
					stop()
					w.missing(w.began.Add(2*time.Second), time.Now().Add(-15*time.Second))
					w.noGaps()
					lasted, silence = time.Since(w.began), w.sink.longestSilence()
				})
				return lasted, silence
			}
			lasted, with := run(30*time.Minute, append(everyFault(), simulator.Fault{Kind: simulator.UsageCapped, Count: 1}))
			_, without := run(lasted, nil)
			t.Logf("in %v the longest silence at the output: %v with faults, %v without", lasted, with, without)
			if with > without+10*time.Millisecond {
				t.Errorf("the output was silent for %v, and without faults for %v", with, without)
			}
		})
	}
}

// oneFails lets one connection fail, and waits until that has been noticed.
func (w *world) oneFails(f simulator.Fault) {
	w.Helper()
	if ofConnects(f) {
		w.fault(f)
		f = simulator.Fault{Kind: simulator.Reset}
	}
	f.Count = 1
	w.fault(f)
	time.Sleep(32 * time.Second)
}

// Both die unnoticed, three seconds apart. The first to be left counts on the
// other, which is dead as well: the gap is found and closed all the same.
func TestBothConnectionsStallThreeSecondsApart(t *testing.T) {
	inWorld(t, simulator.Config{Rate: rate()}, func(w *world) {
		stop := w.pipeline("connections: 2", "")
		w.allUp(2)
		time.Sleep(between)
		w.fault(simulator.Fault{Kind: simulator.Stall, Count: 1})
		time.Sleep(3 * time.Second)
		w.outage(simulator.Fault{Kind: simulator.Stall})
		until := time.Now().Add(-time.Second)
		stop()
		w.missing(w.began.Add(2*time.Second), until)
		if len(w.log.matching("gap closed by backfill")) == 0 {
			t.Errorf("no gap was closed; log:\n%s", w.log.String())
		}
		w.noRepeats()
	})
}

// On self-serve access a new connection ends the old one. Two connections
// would fight for ever.
func TestAnAccountWithOneConnectionOnly(t *testing.T) {
	x := simulator.Config{Rate: rate(), Account: simulator.Account{NewConnectionEndsOld: true}}
	inWorld(t, x, func(w *world) {
		stop := w.pipeline("connections: 2", "")
		time.Sleep(10 * time.Minute)
		w.outage(simulator.Fault{Kind: simulator.Reset}) // the one that is left goes on as ever
		until := time.Now().Add(-time.Second)
		stop()
		if said := w.log.matching("going on with fewer"); len(said) != 1 {
			t.Errorf("said %d times; log:\n%s", len(said), w.log.String())
		}
		if n := len(w.connects()); n > 5 {
			t.Errorf("%d connects, want two each and one after the reset", n)
		}
		w.missing(w.began.Add(2*time.Second), until)
	})
}

// X has one slot, whatever the config hopes for.
func TestARefusedSlotLeavesTheOthersAlone(t *testing.T) {
	x := simulator.Config{Rate: rate() / 10, Account: simulator.Account{Connections: 1}}
	inWorld(t, x, func(w *world) {
		stop := w.pipeline("connections: 2", "")
		time.Sleep(2 * time.Hour)
		until := time.Now().Add(-15 * time.Second)
		stop()
		w.missing(w.began.Add(2*time.Second), until)
		w.noGaps()
		if said := w.log.matching("X allows no more connections"); len(said) != 1 {
			t.Errorf("said %d times; log:\n%s", len(said), w.log.String())
		}
		if lost := w.log.matching("connection lost"); len(lost) > 0 {
			t.Errorf("the only connection was lost: %s", lost[0])
		}
		if n := len(w.connects()); n > 20 {
			t.Errorf("%d connects in two hours", n)
		}
	})
}

// perPartition counts by partition.
func perPartition[T any](all []T, partition func(T) int) map[int]int {
	n := map[int]int{}
	for _, c := range all {
		n[partition(c)]++
	}
	return n
}

func openBy(c simulator.OpenConnection) int { return c.Partition }

func connectBy(c simulator.Connect) int { return c.Partition }

func TestTwentyPartitionsWithTwoConnectionsAndFiftyConnects(t *testing.T) {
	x := simulator.Config{Rate: rate(), Account: simulator.Account{Connections: simulator.Unlimited, Connects: 50}}
	inWorld(t, x, func(w *world) {
		w.stream = "firehose"
		stop := w.pipeline("connections: 2\nallow_more_connections: true", "")
		w.allUp(40)
		all := w.connects()
		if n := perPartition(all[:20], connectBy); len(n) != 20 {
			t.Errorf("the first 20 connects went to %d partitions: %v", len(n), n)
		}
		if n := perPartition(w.sim.Connections().Open, openBy); len(n) != 20 || slices.Max(slices.Collect(maps.Values(n))) != 2 {
			t.Errorf("connections by partition: %v", n)
		}
		time.Sleep(5 * time.Minute)
		healthy := time.Now().Add(-15 * time.Second)

		w.fault(simulator.Fault{Kind: simulator.CleanEnd})
		time.Sleep(time.Minute)
		if n := perPartition(w.sim.Connections().Open, openBy); len(n) != 10 || slices.Max(slices.Collect(maps.Values(n))) != 1 {
			t.Errorf("the ten connects that are left went to %v", n)
		}
		waiting := w.log.matching("the connect budget is spent")
		if len(waiting) != 1 || !strings.Contains(waiting[0], "redundant_connections=10") {
			t.Errorf("those that wait are told of in %d lines:\n%s", len(waiting), strings.Join(waiting, "\n"))
		}
		for n := range 20 {
			_, open := perPartition(w.sim.Connections().Open, openBy)[n+1]
			named := len(waiting) > 0 && regexp.MustCompile(fmt.Sprintf(`partitions_without_connection=[\d ]*\b%d\b`, n+1)).MatchString(waiting[0])
			if !open && !named {
				t.Errorf("partition %d waits and is not named", n+1)
			}
		}
		w.allUp(40)
		time.Sleep(time.Minute)
		until := time.Now().Add(-15 * time.Second)
		stop()
		w.missing(w.began.Add(3*time.Second), healthy)
		w.onlyRecordedLosses(w.began.Add(3*time.Second), until)
		w.noRepeats()
		for _, c := range w.connects() {
			if c.Status != http.StatusOK {
				t.Errorf("X refused a connect at %s: %d", c.At.Format(time.TimeOnly), c.Status)
			}
		}
	})
}

// A partition that cannot connect holds up nobody.
func TestADeadPartitionDelaysNoOther(t *testing.T) {
	inWorld(t, simulator.Config{Rate: rate() * 10}, func(w *world) {
		w.stream = "firehose"
		w.fault(simulator.Fault{Kind: simulator.Unavailable503, Stream: "firehose", Partition: 7, For: time.Hour})
		began := time.Now()
		stop := w.pipeline("partitions: [6, 7, 8]\nconnections: 2", "")
		time.Sleep(20 * time.Minute)
		until := time.Now().Add(-15 * time.Second)
		if n := perPartition(w.sim.Connections().Open, openBy); n[6] != 2 || n[7] != 0 || n[8] != 2 {
			t.Errorf("connections by partition: %v", n)
		}
		stop()
		have := w.sink.ids()
		for _, partition := range []int{6, 8} {
			ids, err := w.sim.Expected("firehose", partition, began.Add(2*time.Second), until)
			if err != nil {
				t.Fatal(err)
			}
			for id := range ids {
				if have[fmt.Sprint(id)] != 1 {
					t.Fatalf("Post %d of partition %d was delivered %d times", id, partition, have[fmt.Sprint(id)])
				}
			}
		}
		for _, c := range w.connects() {
			if c.Partition != 7 && c.At.Sub(began) > 5*time.Second {
				t.Errorf("partition %d connected %v after the start", c.Partition, c.At.Sub(began))
			}
		}
	})
}

func TestMessagesNameTheirPartitionAndConnection(t *testing.T) {
	x := simulator.Config{Rate: 20, Account: simulator.Account{Connections: simulator.Unlimited}}
	inWorld(t, x, func(w *world) {
		w.stream = "sample10"
		w.sink.keep = true
		stop := w.pipeline("connections: 2\nallow_more_connections: true", "")
		w.allUp(4)
		time.Sleep(10 * time.Second)
		w.fault(simulator.Fault{Kind: simulator.Stall, Count: 2}) // then the second connections bring everything
		time.Sleep(15 * time.Second)
		stop()
		seen := map[string]bool{}
		for _, m := range w.sink.messages {
			seen[meta(m, metaPartition)+"/"+meta(m, metaConnection)] = true
		}
		if want := 4; len(seen) != want || !seen["1/1"] || !seen["1/2"] || !seen["2/1"] || !seen["2/2"] {
			t.Errorf("partition/connection of messages: %v", seen)
		}
	})
}

// What was rejected for good passes when it comes again, in both windows.
func TestALaterCopyOfWhatWasRejectedForGoodPasses(t *testing.T) {
	inWorld(t, simulator.Config{Rate: rate()}, func(w *world) {
		stop := w.pipeline("auto_replay_nacks: false", "x_dedupe: {}")
		time.Sleep(between)
		rejected := 0
		w.sink.refuseWith(func(*service.Message) error {
			rejected++
			return errRefused
		})
		time.Sleep(10 * time.Second)
		w.sink.refuseWith(nil)
		w.outage(simulator.Fault{Kind: simulator.Reset}) // its backfill brings them again
		until := time.Now().Add(-time.Second)
		stop()
		if rejected == 0 {
			t.Fatal("nothing was rejected: the test proves nothing")
		}
		w.missing(w.began.Add(time.Second), until)
		w.noRepeats()
	})
}

// An output that refuses single messages at random, or all for a minute, gets
// everything also when each event arrives on two connections.
func TestRejectionsBehindTwoConnections(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 10}, func(w *world) {
		w.sink.refuseWith(atRandom(0.3))
		stop := w.pipeline("connections: 2", "x_dedupe: {}")
		time.Sleep(time.Minute)
		w.sink.refuseWith(func(*service.Message) error { return errRefused })
		time.Sleep(time.Minute)
		w.sink.refuseWith(nil)
		time.Sleep(10 * time.Second)
		until := time.Now().Add(-5 * time.Second)
		stop()
		w.missing(w.began.Add(2*time.Second), until)
		t.Logf("%d of %d messages came more than once", w.repeated(), w.sink.count())
	})
}

// Redundant connections leave by different ways.
func TestConnectionsTakeTheirNetworksInTurn(t *testing.T) {
	var mu sync.Mutex
	from := map[string]int{}
	two := make(chan struct{})
	x := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.(http.Flusher).Flush()
		mu.Lock()
		host, _, _ := strings.Cut(r.RemoteAddr, ":")
		if from[host]++; len(from) == 2 {
			close(two)
		}
		mu.Unlock()
		<-r.Context().Done()
	}))
	defer x.Close()
	conf, err := inputSpec().ParseYAML("bearer_token: a\nconnections: 2\nbase_url: "+x.URL+
		"\nnetworks: [{local_address: 127.0.0.2}, {local_address: 127.0.0.3}]", nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := newInput(conf, service.MockResources(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-two:
	case <-time.After(30 * time.Second):
		t.Errorf("no second way was taken")
	}
	if err := in.Close(t.Context()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if from["127.0.0.2"] != 1 || from["127.0.0.3"] != 1 {
		t.Errorf("connections came from %v", from)
	}
}
