package plugin

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

var errRefused = errors.New("refused")

// once refuses each message once, of those whose ID ends in one of the digits.
func once(digits string) func(m *service.Message) error {
	refused := map[string]bool{}
	return func(m *service.Message) error {
		id := meta(m, metaID)
		if refused[id] || !strings.ContainsAny(id[len(id)-1:], digits) {
			return nil
		}
		refused[id] = true
		return errRefused
	}
}

// Benthos hands contexts on by position behind processors that change a batch.
// Its own retries then send the wrong message again; ours send the batch.
// The twin of this test in benthos_test.go shows the loss.
func TestRejectedMessagesComeAgainBehindAnyProcessor(t *testing.T) {
	for name, c := range rearrangements() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, simulator.Config{Rate: 10}, func(w *world) {
				w.sink.refuseWith(once("37"))
				stop := w.pipeline("", c.processors)
				time.Sleep(2 * time.Minute)
				until := time.Now().Add(-5 * time.Second)
				stop()
				have := w.sink.ids()
				missing := 0
				for _, id := range w.expected(w.began.Add(time.Second), until) {
					if have[id] == 0 && !c.deletes(id) {
						missing++
					}
				}
				if missing > 0 {
					t.Errorf("%d Posts are missing", missing)
				}
			})
		})
	}
}

type rearrangement struct {
	processors string
	deletes    func(id string) bool
}

// rearrangements are pipelines that change the number or order of a batch's
// messages.
func rearrangements() map[string]rearrangement {
	nothing := func(string) bool { return false }
	return map[string]rearrangement{
		"mapping that deletes": {
			`mapping: 'root = if @x_id.re_match("[05]$") { deleted() }'`,
			func(id string) bool { return strings.ContainsAny(id[len(id)-1:], "05") },
		},
		"split":          {`split: {size: 2}`, nothing},
		"group_by_value": {`group_by_value: {value: '${! @x_id.slice(-1) }'}`, nothing},
		"switch": {`
switch:
  - check: '@x_id.re_match("[02468]$")'
    processors: [mapping: 'meta even = "yes"']
  - processors: [mapping: 'meta even = "no"']`, nothing},
	}
}

func TestOutputThatWasDownIsServedAtOnceWhenItReturns(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 40}, func(w *world) {
		w.batching = "{count: 1000, period: 1s}"
		stop := w.pipeline("", "")
		time.Sleep(10 * time.Second)
		w.sink.refuseWith(func(*service.Message) error { return errRefused })
		time.Sleep(time.Minute)
		w.sink.refuseWith(nil)
		returned := time.Now()
		time.Sleep(2 * time.Second)
		have := w.sink.ids()
		// Of what came in the last second some is still being batched.
		for _, id := range w.expected(w.began.Add(time.Second), returned.Add(-time.Second)) {
			if have[id] == 0 {
				t.Fatalf("two seconds after the output's return %d Posts are there, and %s is not; log:\n%s", len(have), id, w.log.String())
			}
		}
		stop()
	})
}

func TestRejectionForGoodIsALossAndLetsALaterCopyPass(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 20}, func(w *world) {
		refused := map[string]bool{}
		w.sink.refuseWith(func(m *service.Message) error {
			if id := meta(m, metaID); strings.HasSuffix(id, "4") && !refused[id] {
				refused[id] = true
				return errRefused
			}
			return nil
		})
		stop := w.pipeline("auto_replay_nacks: false", "")
		time.Sleep(time.Minute)
		lost := len(w.log.matching("rejected by output"))
		if lost == 0 || len(refused) == 0 {
			t.Fatalf("%d losses are logged, %d Posts were refused", lost, len(refused))
		}
		have := w.sink.ids()
		for id := range refused {
			if have[id] > 0 {
				t.Fatalf("%s was refused, not to be retried, and came again", id)
			}
		}
		// A backfill brings them once more.
		w.fault(simulator.Fault{Kind: simulator.Reset})
		time.Sleep(30 * time.Second)
		stop()
		have = w.sink.ids()
		back := 0
		for id := range refused {
			if have[id] > 0 {
				back++
			}
		}
		if back == 0 {
			t.Error("no later copy of a rejected Post passed")
		}
	})
}

// What Benthos acknowledges while it is stopped by force may never have been
// written, so it does not count, and comes again should somebody read on. A
// context that ended for another reason says nothing: what the output has said
// counts, or the batch would be in flight for ever.
func TestAcknowledgementsWithACancelledContext(t *testing.T) {
	for name, c := range map[string]struct {
		stopped bool // reading has ended as well
		refused error
		again   bool
	}{
		"a forced stop":                     {stopped: true, again: true},
		"a rejection in a forced stop":      {stopped: true, refused: errRefused, again: true},
		"any other end of a context":        {},
		"a rejection with an ended context": {refused: errRefused, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, simulator.Config{Rate: 10}, func(w *world) {
				conf, err := inputSpec().ParseYAML(w.credentials+"\nin_flight_bytes: 1\nbase_url: "+w.base, nil)
				if err != nil {
					t.Fatal(err)
				}
				in, err := newInput(conf, service.MockResources(), w.network.Dial)
				if err != nil {
					t.Fatal(err)
				}
				if err := in.Connect(context.Background()); err != nil {
					t.Fatal(err)
				}
				reading, stop := context.WithCancel(context.Background())
				defer stop()
				first, ack, err := in.ReadBatch(reading)
				if err != nil {
					t.Fatal(err)
				}
				if c.stopped {
					stop()
				}
				ended, end := context.WithCancel(context.Background())
				end()
				if err := ack(ended, c.refused); err != nil {
					t.Error(err)
				}
				limited, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				next, _, err := in.ReadBatch(limited)
				if err != nil {
					t.Fatalf("nothing is handed out any more: %v", err)
				}
				if again := meta(next[0], metaID) == meta(first[0], metaID); again != c.again {
					t.Errorf("the batch comes again: %v, want %v", again, c.again)
				}
				if err := in.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
