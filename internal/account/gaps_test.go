package account

import (
	"slices"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// served is a partition with one connection that has lived from second 0 to
// 600 and ended.
func served(t *testing.T) *Account {
	p := testAccount(t)
	sp := p.connect(1, 0, 0)
	p.hears(sp, 600)
	p.Ended(sp)
	return p
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
		p := served(t)
		p.cfg.AlwaysMost = c.always
		if got := p.Backfill(sec(600+c.away), connecting); got != c.want {
			t.Errorf("%s: %d minutes, want %d", c.what, got, c.want)
		}
	}
}

// While a recovery closes an old gap, a reconnect asks for what is missing
// since, and a second connection for nothing.
func TestWhatARecoveryClosesIsNotAskedFor(t *testing.T) {
	p := served(t)
	p.cfg.Recovers = true
	first := p.connect(1, 2000, 5)
	if got := p.Backfill(sec(2001), 10*time.Second); got != 0 {
		t.Errorf("a second connection asks for %d minutes", got)
	}
	p.hears(first, 2100)
	p.Ended(first)
	if got := p.Backfill(sec(2101), 10*time.Second); got != 1 {
		t.Errorf("a reconnect asks for %d minutes, want 1", got)
	}
}

func TestNothingIsAskedForBeforeTheFirstAttempt(t *testing.T) {
	p := testAccount(t)
	p.ledger, p.cfg.AlwaysMost = nil, true
	if got := p.Backfill(sec(0), time.Second); got != 0 {
		t.Errorf("%d minutes", got)
	}
}

func TestABackfillClosesItsGap(t *testing.T) {
	p := served(t)
	sp := p.connect(1, 700, 5)
	if got := p.Status(sec(700)); got.Open != 130*time.Second {
		t.Errorf("open %v before the backfill has settled", got.Open)
	}
	p.heartbeat(sp, 760)
	if got := p.Proved(sp, sec(760)); len(got) != 1 || got[0] != period(570, 700) {
		t.Errorf("closed by backfill: %v", got)
	}
	if got := p.Status(sec(761)); got.Open != 0 {
		t.Errorf("after the backfill has settled: open %v", got.Open)
	}
}

// expectOpen compares the partition's gaps up to a second.
func (a *Account) expectOpen(t *testing.T, what string, until float64, want ...coverage.Interval) {
	t.Helper()
	if got := a.ledger.Open(sec(until)); !slices.Equal(got, want) {
		t.Errorf("%s: open %v, want %v", what, got, want)
	}
}

// twins is a partition with two connections that have lived for 600 seconds.
func twins(t *testing.T) (p *Account, a, b *Watermark) {
	p = testAccount(t)
	a, b = p.connect(1, 0, 0), p.connect(2, 0, 0)
	p.hears(a, 600)
	p.hears(b, 599)
	return p, a, b
}

func TestOneOfTwoCostsNothing(t *testing.T) {
	p, a, b := twins(t)
	p.Ended(a)
	if got := p.Backfill(sec(601), 10*time.Second); got != 0 {
		t.Errorf("asked for %d minutes while the twin lives", got)
	}
	if got := p.Status(sec(610)).Open; got != 0 {
		t.Errorf("open %v while the twin lives", got)
	}
	again := p.connect(1, 602, 0)
	p.hears(again, 620)
	p.hears(b, 619)
	p.expectOpen(t, "after the twin's proof", 619)
	p.Ended(b)
	p.expectOpen(t, "after the twin's own end", 620)
}

// The twin was dead, too, without anybody having noticed: the gap reaches from
// its last proof to the opening, and is fetched with the margin.
func TestATwinThatTurnsOutDead(t *testing.T) {
	p, a, b := twins(t)
	p.Ended(a)
	again := p.connect(1, 612, 0)
	p.hears(again, 624)
	p.Ended(b)
	p.expectOpen(t, "after both ends", 624, period(570, 612))
	if got := p.Backfill(sec(625), 10*time.Second); got != 2 {
		t.Errorf("asked for %d minutes, want 2", got)
	}
	repairs := p.connect(2, 625, 2)
	p.hears(repairs, 690)
	p.expectOpen(t, "after the backfill", 690)
}

func TestATwinBeyondItsHeartbeatTimeCountsAsDead(t *testing.T) {
	p, a, b := twins(t)
	p.Ended(a)
	if got := p.Backfill(sec(619), 0); got != 0 {
		t.Errorf("within the twin's heartbeat time: asked for %d minutes", got)
	}
	if got, want := p.Backfill(sec(620), 10*time.Second), 1; got != want {
		t.Errorf("beyond it: asked for %d minutes, want %d (20 s, the margin and the connect)", got, want)
	}
	if got, want := p.Backfill(sec(620.1), 10*time.Second), 2; got != want {
		t.Errorf("beyond it: asked for %d minutes, want %d", got, want)
	}
	// Its connect brings the gap with the margin, so nothing is asked for again.
	again := p.connect(1, 621, 2)
	p.Ended(b)
	if got := p.Backfill(sec(626), 0); got != 0 {
		t.Errorf("asked for %d minutes while a backfill is under way", got)
	}
	p.hears(again, 690)
	p.expectOpen(t, "after the backfill", 690)
}

func TestABackfillThatBreaksLeavesTheGapToTheTwin(t *testing.T) {
	p := served(t)
	a := p.connect(1, 630, 2)
	b := p.connect(2, 640, 0) // nothing is asked for: a's backfill is under way
	p.hears(b, 650)
	p.Ended(a)
	p.expectOpen(t, "the gap, up to the twin's opening", 650, period(570, 640))
	if got := p.Backfill(sec(650), 10*time.Second); got != 2 {
		t.Errorf("asked for %d minutes, want 2", got)
	}
}

func TestATwinThatDiesWhileTheOtherConnects(t *testing.T) {
	p, a, b := twins(t)
	p.Ended(a)
	if got := p.Backfill(sec(605), 10*time.Second); got != 0 {
		t.Errorf("asked for %d minutes while the twin lives", got)
	}
	p.Ended(b)
	p.connect(1, 606, 0)
	if got := p.Backfill(sec(607), 10*time.Second); got != 1 {
		t.Errorf("the twin asks for %d minutes, want 1", got)
	}
}

// The margin before a gap is owed from the moment that it opens until what a
// repair brings of it is acknowledged, whatever was under way.
func TestTheMarginBeforeAGapIsOwedUntilItIsDelivered(t *testing.T) {
	p := testAccount(t)
	sp := p.connect(1, 0, 0)
	acknowledge := p.arrives(1)
	p.hears(sp, 600)
	p.Ended(sp)
	acknowledge() // an event of before the gap
	owed := func(what string, want ...coverage.Interval) {
		t.Helper()
		if got := p.ledger.Snapshot().Gaps(sec(700)); !slices.Equal(got, want) {
			t.Errorf("%s: a restart would owe %v, want %v", what, got, want)
		}
	}
	owed("after the end", period(570, 700))
	p.connect(1, 700, 0) // goes on from there
	acknowledge = p.arrives(2)
	p.repaired(period(570, 700))
	owed("repaired, and not acknowledged", period(570, 700))
	acknowledge()
	owed("acknowledged")
}

// A backfill of five minutes that covers an end, and not the margin before it,
// leaves that to a recovery, and overlaps with it where nobody else was there.
func TestABackfillThatFallsShortOfTheMargin(t *testing.T) {
	a := testAccount(t)
	a.cfg.Recovers = true
	first := a.connect(1, 0, 0)
	a.connect(2, 0, 0) // dead, and nobody has noticed
	a.hears(first, 600)
	a.Ended(first)
	a.hears(a.connect(1, 890, 5), 960)
	a.expectOpen(t, "the margin before second 600, and the overlap", 960, period(570, 590), period(600, 620))
}
