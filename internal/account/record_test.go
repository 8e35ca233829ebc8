package account

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

// again is an account that goes on from the record of another, as JSON has it.
func (a *Account) restarted(t *testing.T, now float64) *Account {
	t.Helper()
	r, ok := a.Record()
	if !ok {
		t.Fatal("no record")
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var read Record
	if err := json.Unmarshal(b, &read); err != nil {
		t.Fatal(err)
	}
	next, err := New(a.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Restore(read, sec(now)); err != nil {
		t.Fatal(err)
	}
	return next
}

// What live connections brought last is not where coverage ends, if a recovery
// went on from there: a restart must not open that again.
func TestARestartAfterARepairOpensNothingAgain(t *testing.T) {
	a := testAccount(t)
	a.hears(a.connect(1, 0, 0), 600)
	a.Ended(a.marks[0])
	a.connect(1, 900, 5) // its backfill has not settled
	a.repaired(period(570, 800))
	next := a.restarted(t, 901)
	next.expectOpen(t, "after the restart", 901, period(770, 901))
}

// The end of coverage that waits for a twin, which may be dead, is in the record,
// and so is the end that the output has reached.
func TestARestartOwesTheMarginOfEveryEnd(t *testing.T) {
	a, first, second := twins(t)
	a.Ended(first)
	if a.ledger.IsOpen(sec(590)) {
		t.Fatal("opened while the twin lives")
	}
	next := a.restarted(t, 601)
	next.expectOpen(t, "an end that waits for its twin", 601, period(570, 601))

	acknowledge := a.arrives(1)
	a.hears(second, 700)
	next = a.restarted(t, 701)
	next.expectOpen(t, "an event that waits for the output", 701, period(570, 701))
	acknowledge()
	next = a.restarted(t, 701)
	next.expectOpen(t, "acknowledged", 701, period(670, 701))
}

func TestARestartRemembersHowLateEventsAre(t *testing.T) {
	a := testAccount(t)
	late := make([]time.Duration, 2000)
	for i := 0; i < len(late); i += 100 {
		late[i] = 100 * time.Second
	}
	a.Late(late)
	a.hears(a.connect(1, 0, 0), 600)
	next := a.restarted(t, 601).restarted(t, 602)
	if got, want := next.margin(), 101*time.Second; got != want {
		t.Errorf("margin %v after two restarts, want %v", got, want)
	}
	next.expectOpen(t, "after two restarts", 601, period(499, 601))
}

// A record of before all edges were kept has one.
func TestARecordWithAFrontier(t *testing.T) {
	a := testAccount(t)
	r := Record{Snapshot: coverage.Snapshot{Start: sec(0), Done: []coverage.Interval{period(0, 600)}}, Frontier: sec(600)}
	if err := a.Restore(r, sec(700)); err != nil {
		t.Fatal(err)
	}
	a.expectOpen(t, "at its end", 700, period(570, 700))
}

// What a restart may bring again does not depend on whose clock says what is now:
// the newest that was delivered is always in it.
func TestTheNewestKeysAreSavedByNoClock(t *testing.T) {
	a := testAccount(t)
	w := a.connect(1, 0, 0)
	claim := &dedupe.Claim{}
	key := dedupe.Snowflake(idAt(599))
	_, ticket := a.Judge(sec(599), claim, []dedupe.Key{key}, nil)
	claim.Acknowledge()
	a.Settled(ticket)
	a.hears(w, 600)
	a.Ended(w)
	r, _ := a.Record()
	if keys := a.Delivered(nil, 0, r.Repeatable()); !slices.Contains(keys, key) {
		t.Errorf("keys %v are saved", keys)
	}
}

// A Post waits for its acknowledgement, the window forgets it, and a repair
// brings it again beside a new one that is acknowledged: the Post was not.
func TestAKeyHasOneClaim(t *testing.T) {
	a := testAccount(t)
	a.forgets(t, 2)
	w := a.connect(1, 0, 0)
	waiting, brought := &dedupe.Claim{}, &dedupe.Claim{}
	post := dedupe.Snowflake(idAt(590))
	a.Judge(sec(590), waiting, []dedupe.Key{post}, nil)
	a.hears(w, 600)
	a.pinAround(period(570, 900))
	a.arrives(idAt(2000))
	a.arrives(idAt(2001)) // the window has forgotten it
	verdicts, ticket := a.Judge(sec(2002), brought, []dedupe.Key{post, dedupe.Snowflake(idAt(650))}, nil)
	if !slices.Equal(verdicts, []dedupe.Verdict{dedupe.Duplicate, dedupe.New}) {
		t.Fatalf("verdicts %v", verdicts)
	}
	brought.Acknowledge()
	a.Settled(ticket)
	r, _ := a.Record()
	keys := a.Pinned(nil)
	for piece := range a.Pieces() {
		keys = a.Delivered(keys, piece, r.Repeatable())
	}
	if slices.Contains(keys, post) {
		t.Error("a Post that nobody has taken is saved as delivered")
	}
	// Once its claim is rejected for good it passes, and then belongs to the claim
	// that it passed under.
	waiting.Reject()
	again := &dedupe.Claim{}
	for _, want := range []dedupe.Verdict{dedupe.New, dedupe.Retry} {
		if verdicts, _ := a.Judge(sec(2003), again, []dedupe.Key{post}, nil); verdicts[0] != want {
			t.Errorf("after the rejection: %v, want %v", verdicts[0], want)
		}
	}
	if verdicts, _ := a.Judge(sec(2004), &dedupe.Claim{}, []dedupe.Key{post}, nil); verdicts[0] != dedupe.Duplicate {
		t.Errorf("a third copy: %v", verdicts[0])
	}
}

// A recovery that ends beside what is lost reaches over its end: what was created
// before it and delivered after it would be asked for by nobody.
func TestARecoveryReachesOverWhatIsLost(t *testing.T) {
	a := testAccount(t)
	a.connect(1, 900, 0)
	a.Lost(period(300, 600), "expired")
	j := a.JobBegan("recovery", period(0, 300), sec(900))
	if got, want := a.Rest(j), period(0, 330); got != want {
		t.Errorf("asks for %v, want %v", got, want)
	}
	waits := a.arrives(1) // what a search has found may wait for the output
	a.Searched(a.JobBegan("search", period(700, 750), sec(900)), coverage.Search{Interval: period(700, 750)}, 1)
	j = a.JobBegan("recovery", period(600, 700), sec(900))
	if got, want := a.Rest(j), period(600, 730); got != want {
		t.Errorf("beside a search asks for %v, want %v", got, want)
	}
	waits()
	j = a.JobBegan("recovery", period(600, 800), sec(900))
	if got, want := a.Rest(j), period(600, 800); got != want {
		t.Errorf("asks for %v, want %v", got, want)
	}
}

// Edges that wait for others are bounded.
func TestEdgesAreBounded(t *testing.T) {
	a := testAccount(t)
	a.connect(1, 0, 0) // dead, and nobody has noticed
	for n := range 3 * mostEdges {
		at := float64(100 * (n + 1))
		w := a.connect(2, at, 0)
		a.hears(w, at+50)
		a.Ended(w)
	}
	if err := a.Check(sec(1e6)); err != nil {
		t.Error(err)
	}
	if len(a.edges) != mostEdges {
		t.Errorf("%d edges", len(a.edges))
	}
}

// What is old when it arrives proves no more than its creation, also for a reader
// that comes back: X may be late with what follows.
func TestWhatIsOldAtItsArrivalProvesNoMore(t *testing.T) {
	a, w := watch(t, 0, false)
	a.event(w, 100, 99)
	a.Proved(w, sec(100))
	a.event(w, 180, 120)
	expectProof(t, "proven by a look at second 130, of an event of second 120", w.prove(sec(130)), nothing)
}

// Recoveries follow each other exactly: X selects one like the other, so no margin
// is asked for between them, in whatever order they end.
func TestRecoveriesFollowEachOtherExactly(t *testing.T) {
	a := testAccount(t)
	a.connect(1, 900, 0)
	first, second := a.JobBegan("recovery", period(0, 200), sec(900)), a.JobBegan("recovery", period(200, 400), sec(900))
	a.Recovered(second)
	a.JobEnded(second)
	a.expectOpen(t, "the second has ended", 900, period(0, 200), period(400, 900))
	a.Recovered(first)
	a.JobEnded(first)
	a.expectOpen(t, "both have ended", 900, period(400, 900))
	// A recovery of what may still have been on its way does not count for that.
	young := a.JobBegan("recovery", period(800, 880), sec(900))
	a.Recovered(young)
	a.JobEnded(young)
	a.expectOpen(t, "a young one has ended", 900, period(400, 800), period(850, 900))
	// Nobody else goes on from there without the margin.
	a.Lost(period(400, 500), "expired")
	a.expectOpen(t, "what follows is lost", 900, period(370, 400), period(500, 800), period(850, 900))
}

// What was on its way when the first connection opened comes on it, and is owed:
// also if the process is killed before the output has it.
func TestARestartOwesWhatWasOnItsWayAtTheStart(t *testing.T) {
	a, err := New(Config{Overlap: 30 * time.Second, Heartbeat: 20 * time.Second, Capacity: 1000})
	if err != nil {
		t.Fatal(err)
	}
	a.Begin(sec(0))
	w := a.connect(1, 0, 0)
	a.restarted(t, 1).expectOpen(t, "nothing has come", 1, period(-30, 1))
	acknowledge := a.arrives(1)
	a.hears(w, 100)
	a.restarted(t, 101).expectOpen(t, "what came waits for the output", 101, period(-30, 101))
	acknowledge()
	a.restarted(t, 101).expectOpen(t, "acknowledged", 101, period(70, 101))

	b := testAccount(t)
	b.hears(b.connect(1, 0, 0), 10)
	b.restarted(t, 11).expectOpen(t, "ten seconds after the start", 11, period(-20, 11))
}
