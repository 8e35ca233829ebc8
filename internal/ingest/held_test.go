package ingest

import (
	"testing"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// idAt is the ID of a Post that was created at a second.
func idAt(second float64) uint64 {
	return uint64(sec(second).UnixMilli()-xapi.SnowflakeTime(0)) << 22
}

// again reports whether a repair that brings a Post once more is let through.
func (p *partition) again(id uint64) bool {
	_, settle := p.judge(sec(9999), &dedupe.Claim{}, []dedupe.Key{dedupe.Snowflake(id)}, nil, true)
	return settle != nil
}

// A window forgets what was delivered around a gap long before its turn comes.
func TestKeysAroundAGapAreHeldUntilItCloses(t *testing.T) {
	p := testPartition(t)
	window, err := dedupe.NewWindow(10, 0)
	if err != nil {
		t.Fatal(err)
	}
	p.window = window
	sp := p.connect(1, 0, 0)
	p.hears(sp, 600)
	p.arrives(idAt(400)) // too early to come again
	p.arrives(idAt(590))
	rejected := &dedupe.Claim{}
	p.judge(sec(591), rejected, []dedupe.Key{dedupe.Snowflake(idAt(591))}, nil, false)
	p.ended(sp)
	sp = p.connect(1, 900, 0)
	p.hold(period(570, 900))
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
		t.Error("a Post of long before the gap is held")
	}
	p.hears(sp, 1100)
	p.account(sec(1100))
	if len(p.held) == 0 {
		t.Error("the keys are forgotten while the gap is open")
	}
	p.repaired(period(570, 900), &Work{}, 1)
	p.account(sec(1100))
	if len(p.held) != 0 {
		t.Error("the keys are held though no gap is left")
	}
}

// What a graceful stop saves must not hold what was not acknowledged: that
// would be a silent loss.
func TestOnlyKeysOfWhatWasAcknowledgedAreSaved(t *testing.T) {
	p := testPartition(t)
	sp := p.connect(1, 0, 0)
	taken, waiting := &dedupe.Claim{}, &dedupe.Claim{}
	p.judge(sec(590), taken, []dedupe.Key{dedupe.Snowflake(idAt(590))}, nil, false)
	p.judge(sec(591), waiting, []dedupe.Key{dedupe.Snowflake(idAt(591))}, nil, false)
	taken.Acknowledge()
	p.hears(sp, 600)
	p.ended(sp)
	p.hold(period(570, 600))
	keys := p.repeatable(p.ledger.Record().Gaps(sec(600)))
	for _, k := range keys {
		if k != dedupe.Snowflake(idAt(590)) {
			t.Errorf("saved key %v", k)
		}
	}
	if len(keys) == 0 {
		t.Error("nothing is saved")
	}
}
