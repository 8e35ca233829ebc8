package plugin

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// An account without backfill: the stream goes on at once, the refusal is said
// once, and each gap is a recorded loss.
func TestRefusedBackfill(t *testing.T) {
	for name, access := range map[string]simulator.Access{"403": simulator.Denied, "400": simulator.Unoffered} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, simulator.Config{Rate: rate(), Account: simulator.Account{Backfill: access}}, func(w *world) {
				stop := w.pipeline("repair: {methods: [backfill]}", "")
				time.Sleep(between)
				for range 3 {
					w.outage(simulator.Fault{Kind: simulator.Refuse, For: 10 * time.Second}, simulator.Fault{Kind: simulator.Reset})
				}
				until := time.Now().Add(-time.Second)
				stop()
				if said := w.log.matching("X refuses backfill"); len(said) != 1 {
					t.Errorf("the refusal is said %d times; log:\n%s", len(said), w.log.String())
				}
				if n := len(w.lost()); n != 3 {
					t.Errorf("%d losses are recorded, want 3; log:\n%s", n, w.log.String())
				}
				w.onlyRecordedLosses(w.began.Add(time.Second), until)
				asked := 0
				for _, c := range w.connects() {
					if c.BackfillMinutes > 0 {
						asked++
					}
				}
				if asked != 2 {
					t.Errorf("backfill was asked for %d times within an hour, want twice", asked)
				}
			})
		})
	}
}

// X takes a while to notice that our connection died, and refuses the next one
// for as long.
func TestSlotHeldByOurOwnDeadConnection(t *testing.T) {
	x := simulator.Config{Rate: rate(), Account: simulator.Account{Connections: 1, SlotHold: 40 * time.Second}}
	inWorld(t, x, func(w *world) {
		stop := w.pipeline("", "")
		time.Sleep(between)
		w.outage(simulator.Fault{Kind: simulator.Reset})
		until := time.Now().Add(-time.Second)
		stop()
		if len(w.log.matching("maximum allowed connection limit")) == 0 {
			t.Errorf("no connect was refused: the test proves nothing; log:\n%s", w.log.String())
		}
		w.missing(w.began.Add(time.Second), until)
	})
}

// A start at which X cannot be reached owes everything since the first try.
func TestStartWithoutX(t *testing.T) {
	inWorld(t, simulator.Config{Rate: rate()}, func(w *world) {
		w.fault(simulator.Fault{Kind: simulator.Refuse, For: time.Minute})
		stop := w.pipeline("", "")
		time.Sleep(3 * time.Minute)
		until := time.Now().Add(-time.Second)
		stop()
		w.missing(w.began.Add(time.Second), until)
	})
}

func TestAPIKeyAndSecret(t *testing.T) {
	x := simulator.Config{Rate: rate(), Account: simulator.Account{APIKey: "key", APISecret: "secret"}}
	inWorld(t, x, func(w *world) {
		w.credentials = "api_key: key\napi_secret: secret"
		stop := w.pipeline("", "")
		time.Sleep(time.Minute)
		until := time.Now().Add(-time.Second)
		stop()
		w.missing(w.began.Add(time.Second), until)
	})
}
