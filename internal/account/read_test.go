package account

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

// testAccount is the account of a partition of which the first attempt to connect
// was made at second 0.
func testAccount(t *testing.T) *Account {
	t.Helper()
	a, err := New(Config{Overlap: 30 * time.Second, Heartbeat: 20 * time.Second, Capacity: 1000})
	if err != nil {
		t.Fatal(err)
	}
	a.Begin(sec(0))
	return a
}

// connect opens a connection at a second, with minutes of backfill.
func (a *Account) connect(_ int, at float64, minutes int) *Watermark {
	return a.Opened(sec(at), time.Duration(minutes)*time.Minute)
}

// hears tells that a connection heard a heartbeat at a second.
func (a *Account) hears(w *Watermark, at float64) {
	a.heartbeat(w, at)
	a.Proved(w, sec(at))
}

// arrives makes a Post arrive, and returns what acknowledges it, or nil when
// it is a second copy.
func (a *Account) arrives(id uint64) (acknowledge func()) {
	_, ticket := a.Judge(sec(0), &dedupe.Claim{}, []dedupe.Key{dedupe.Snowflake(id)}, nil)
	if !ticket.Any() {
		return nil
	}
	return func() { a.Settled(ticket) }
}

// repaired tells that a recovery has brought all of a period.
func (a *Account) repaired(i coverage.Interval) {
	j := a.JobBegan("recovery", i, i.To)
	a.Recovered(j)
	a.JobEnded(j)
}

func (a *Account) expectDelivered(t *testing.T, what string, now, want float64) {
	t.Helper()
	if got := a.Status(sec(now)).DeliveredUntil; !got.Equal(sec(want)) {
		t.Errorf("%s: delivered until second %v, want %v", what, got.Sub(sec(0)).Seconds(), want)
	}
}

func TestDeliveryTrailsAcknowledgement(t *testing.T) {
	p := testAccount(t)
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
	p := testAccount(t)
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
	a := testAccount(t)
	a.Refused(sec(1), sec(3), 2)
	a.Refused(sec(2), sec(2), 1)
	a.Refused(sec(20), sec(20), 1)
	got := a.ledger.Snapshot().Rejections
	if len(got) != 2 || got[0].Events != 3 || !got[0].Oldest.Equal(sec(1)) || !got[0].Newest.Equal(sec(3)) ||
		got[1].Events != 1 || !got[1].Newest.Equal(sec(20)) {
		t.Errorf("rejections %v", got)
	}
}

func TestOverlapGrowsWithMeasuredLateness(t *testing.T) {
	p := testAccount(t)
	late := make([]time.Duration, 2000)
	for i := range late {
		late[i] = time.Second
		if i%100 == 0 {
			late[i] = 50 * time.Second
		}
	}
	p.Late(late)
	if got, want := p.margin(), 51*time.Second; got != want {
		t.Errorf("margin %v, want %v", got, want)
	}
}
