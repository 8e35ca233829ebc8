package ingest

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// testPartition is a partition of which the first attempt to connect was made
// at second 0.
func testPartition(t *testing.T) *partition {
	t.Helper()
	window, err := dedupe.NewWindow(1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := newPartition(0, Config{Overlap: 30 * time.Second, DedupeCapacity: 1000, Stream: xapi.Stream{Heartbeat: 20 * time.Second}}, window)
	p.begin(sec(0))
	return p
}

// connect opens a connection at a second, with minutes of backfill; its number
// is for the reader of a test.
func (p *partition) connect(_ int, at float64, minutes int) *span {
	return p.opened(sec(at), time.Duration(minutes)*time.Minute)
}

// hears tells that a connection heard a heartbeat at a second.
func (p *partition) hears(sp *span, at float64) {
	sp.heartbeat(at)
	p.prove(sp, sec(at))
}

// arrives makes a Post arrive, and returns what acknowledges it, or nil when
// it is a second copy.
func (p *partition) arrives(id uint64) (acknowledge func()) {
	_, settle := p.judge(sec(0), &dedupe.Claim{}, []dedupe.Key{dedupe.Snowflake(id)}, nil, false)
	if settle == nil {
		return nil
	}
	return func() { settle(nil, delivery.Acknowledged) }
}

func (p *partition) expectDelivered(t *testing.T, what string, now, want float64) {
	t.Helper()
	if got := p.account(sec(now)).DeliveredUntil; !got.Equal(sec(want)) {
		t.Errorf("%s: delivered until second %v, want %v", what, got.Sub(sec(0)).Seconds(), want)
	}
}

func TestDeliveryTrailsAcknowledgement(t *testing.T) {
	p := testPartition(t)
	sp := p.connect(1, 0, 0)
	first := p.arrives(1)
	p.hears(sp, 10)
	second := p.arrives(2)
	p.hears(sp, 20)
	p.hears(sp, 40)
	p.expectDelivered(t, "nothing acknowledged", 40, 0)
	second()
	p.expectDelivered(t, "the second read alone", 40, 0)
	first()
	p.expectDelivered(t, "both", 40, 40)
	p.hears(sp, 60)
	p.expectDelivered(t, "a heartbeat with nothing unacknowledged", 60, 60)
}

// What one connection proves is not delivered as long as an event that the
// other brought first is not.
func TestATwinsProofWaitsForWhatTheOtherBrought(t *testing.T) {
	p := testPartition(t)
	a, b := p.connect(1, 0, 0), p.connect(2, 0, 0)
	acknowledge := p.arrives(1) // on a
	if p.arrives(1) != nil {
		t.Fatal("a second copy is new")
	}
	p.hears(b, 10)
	p.expectDelivered(t, "a's event waits", 10, 0)
	p.hears(a, 11)
	p.hears(b, 12)
	if len(p.steps) != 1 {
		t.Errorf("%d steps for proofs that follow the same read, want 1", len(p.steps))
	}
	acknowledge()
	p.expectDelivered(t, "acknowledged", 12, 12)
}

func TestRejectedEventsStandInTheLedger(t *testing.T) {
	p := testPartition(t)
	p.rejected(&delivery.Read{Received: sec(9), Events: []delivery.Event{{Created: sec(3).UnixMilli()}, {Created: sec(1).UnixMilli()}}})
	p.rejected(&delivery.Read{Received: sec(9), Events: []delivery.Event{{Created: sec(2).UnixMilli()}}})
	p.rejected(&delivery.Read{Received: sec(20), Events: []delivery.Event{{}}}) // does not say when it was created
	got := p.ledger.Record().Rejections
	if len(got) != 2 || got[0].Events != 3 || !got[0].Oldest.Equal(sec(1)) || !got[0].Newest.Equal(sec(3)) ||
		got[1].Events != 1 || !got[1].Newest.Equal(sec(20)) {
		t.Errorf("rejections %v", got)
	}
}

func TestOverlapGrowsWithMeasuredLateness(t *testing.T) {
	p := testPartition(t)
	late := make([]time.Duration, 2000)
	for i := range late {
		late[i] = time.Second
		if i%100 == 0 {
			late[i] = 50 * time.Second
		}
	}
	p.measure(late)
	if got, want := p.margin(), 51*time.Second; got != want {
		t.Errorf("margin %v, want %v", got, want)
	}
}
