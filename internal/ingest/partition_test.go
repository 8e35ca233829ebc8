package ingest

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

func testPartition() *partition {
	p := newPartition(0, 30*time.Second, false, nil)
	p.begin(sec(0))
	return p
}

func TestDeliveryTrailsAcknowledgement(t *testing.T) {
	p := testPartition()
	first := p.track()
	p.received(period(0, 10))
	second := p.track()
	p.received(period(10, 20))
	p.received(period(20, 40)) // a heartbeat
	if got := p.account(sec(40)).DeliveredUntil; !got.Equal(sec(0)) {
		t.Errorf("with nothing acknowledged, delivered until %v", got)
	}
	second()
	if got := p.account(sec(40)).DeliveredUntil; !got.Equal(sec(0)) {
		t.Errorf("the second read alone acknowledged: delivered until %v", got)
	}
	first()
	if got := p.account(sec(40)).DeliveredUntil; !got.Equal(sec(40)) {
		t.Errorf("both acknowledged: delivered until %v, want all", got)
	}
	p.received(period(40, 60))
	if got := p.account(sec(60)).DeliveredUntil; !got.Equal(sec(60)) {
		t.Errorf("a heartbeat with nothing unacknowledged: delivered until %v", got)
	}
}

func TestBackfillMinutes(t *testing.T) {
	const connecting = 10 * time.Second
	for _, c := range []struct {
		what   string
		away   float64 // seconds
		always bool
		want   int
	}{
		{"a moment: 30 s of overlap and 10 s of connecting", 0.1, false, 1},
		{"20 s", 20, false, 1},
		{"20.1 s", 20.1, false, 2},
		{"X's own example", 90, false, 3},
		{"four minutes", 240, false, 5},
		{"an hour", 3600, false, 5},
		{"a moment, always the most", 0.1, true, 5},
	} {
		p := testPartition()
		p.always = c.always
		p.received(period(0, 600))
		p.lost(sec(600))
		if got := p.backfill(sec(600+c.away), connecting); got != c.want {
			t.Errorf("%s: %d minutes, want %d", c.what, got, c.want)
		}
	}
}

func TestNothingIsAskedForWhenNothingIsMissing(t *testing.T) {
	p := newPartition(0, 30*time.Second, true, nil)
	if got := p.backfill(sec(0), time.Second); got != 0 {
		t.Errorf("before the first connect: %d minutes", got)
	}
}

func TestWhatBackfillCannotReachIsLost(t *testing.T) {
	p := testPartition()
	p.received(period(0, 600))
	p.lost(sec(600))
	gone, reason := p.opened(sec(1000), 5*time.Minute)
	if len(gone) != 1 || gone[0] != period(570, 700) || reason != lostTooOld {
		t.Errorf("lost %v for %s, want %v", gone, reason, period(570, 700))
	}
	if got := p.account(sec(1000)); got.Open != 300*time.Second || got.Lost[lostTooOld] != 130*time.Second {
		t.Errorf("open %v, lost %v", got.Open, got.Lost)
	}
	p.received(coverage.Interval{From: sec(700), To: sec(1070)})
	if got := p.account(sec(1071)); got.Open != 0 {
		t.Errorf("after the backfill has settled: open %v", got.Open)
	}
}

func TestRefusedBackfillIsAskedForAgainAfterAnHour(t *testing.T) {
	p := testPartition()
	p.received(period(0, 600))
	p.lost(sec(600))
	if !p.refused(sec(601)) {
		t.Error("the first refusal is no news")
	}
	if got := p.backfill(sec(602), 0); got != 0 {
		t.Errorf("asked for %d minutes right after the refusal", got)
	}
	gone, reason := p.opened(sec(602), 0)
	if len(gone) != 1 || reason != lostNoBackfill {
		t.Errorf("lost %v for %s", gone, reason)
	}
	p.received(period(602, 4300))
	p.lost(sec(4300))
	if got := p.backfill(sec(4301), 0); got != 1 {
		t.Errorf("after an hour: %d minutes, want 1", got)
	}
	if p.refused(sec(4302)) {
		t.Error("the second refusal is news")
	}
}

func TestOverlapGrowsWithMeasuredLateness(t *testing.T) {
	p := testPartition()
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
