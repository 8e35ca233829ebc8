package account

import (
	"testing"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// idAt is the ID of a Post that was created at a second.
func idAt(second float64) uint64 {
	return uint64(sec(second).UnixMilli()-xapi.SnowflakeTime(0)) << 22
}

// forgets gives the account a window of so many keys.
func (a *Account) forgets(t *testing.T, capacity int) {
	window, err := dedupe.NewWindow(capacity, 0)
	if err != nil {
		t.Fatal(err)
	}
	a.window = window
}

func (a *Account) pinAround(gap coverage.Interval) {
	for piece := range a.Pieces() {
		a.Pin(piece, []coverage.Interval{gap})
	}
}

// again reports whether a repair that brings a Post once more is let through.
func (a *Account) again(id uint64) bool {
	_, ticket := a.Judge(sec(9999), &dedupe.Claim{}, []dedupe.Key{dedupe.Snowflake(id)}, nil)
	return ticket.Any()
}

// A window forgets what was delivered around a gap long before its turn comes.
func TestKeysAroundAGapArePinnedUntilItCloses(t *testing.T) {
	p := testAccount(t)
	p.forgets(t, 10)
	sp := p.connect(1, 0, 0)
	p.hears(sp, 600)
	p.arrives(idAt(400)) // too early to come again
	p.arrives(idAt(590))
	rejected := &dedupe.Claim{}
	p.Judge(sec(591), rejected, []dedupe.Key{dedupe.Snowflake(idAt(591))}, nil)
	p.Ended(sp)
	sp = p.connect(1, 900, 0)
	p.pinAround(period(570, 900))
	rejected.Reject()
	for n := range 20 {
		p.arrives(idAt(1000 + float64(n)))
	}

	if p.again(idAt(590)) {
		t.Error("a Post of just before the gap comes twice")
	}
	if !p.again(idAt(700)) {
		t.Error("a Post of the gap does not pass")
	}
	if !p.again(idAt(591)) {
		t.Error("a Post that was rejected for good does not pass")
	}
	if !p.again(idAt(400)) {
		t.Error("a Post of long before the gap is pinned")
	}
	p.hears(sp, 1100)
	p.Unpin(sec(1100))
	if len(p.pins) == 0 {
		t.Error("the keys are forgotten while the gap is open")
	}
	p.repaired(period(570, 900))
	p.Unpin(sec(1100))
	if len(p.pins) != 0 {
		t.Error("the keys are pinned though no gap is left")
	}
}

// What a graceful stop saves must not hold what was not acknowledged: that
// would be a silent loss.
func TestOnlyKeysOfWhatWasAcknowledgedAreSaved(t *testing.T) {
	p := testAccount(t)
	sp := p.connect(1, 0, 0)
	taken, waiting := &dedupe.Claim{}, &dedupe.Claim{}
	p.Judge(sec(590), taken, []dedupe.Key{dedupe.Snowflake(idAt(590))}, nil)
	p.Judge(sec(591), waiting, []dedupe.Key{dedupe.Snowflake(idAt(591))}, nil)
	taken.Acknowledge()
	p.hears(sp, 600)
	p.Ended(sp)
	p.pinAround(period(570, 600))
	r, _ := p.Record()
	keys := p.Pinned(nil)
	for piece := range p.Pieces() {
		keys = p.Delivered(keys, piece, r.Repeatable())
	}
	for _, k := range keys {
		if k != dedupe.Snowflake(idAt(590)) {
			t.Errorf("saved key %v", k)
		}
	}
	if len(keys) == 0 {
		t.Error("nothing is saved")
	}
}
