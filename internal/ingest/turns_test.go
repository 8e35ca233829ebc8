package ingest

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

func testTurns(partitions, connects int) *turns {
	var parts []*partition
	for n := range partitions {
		parts = append(parts, &partition{number: n + 1})
	}
	return newTurns(xapi.Rate{Count: connects, Per: 15 * time.Minute}, parts, 2, start)
}

// try takes a turn and lets its connect open, or says that it has to wait.
func (t *turns) try(partition int, now time.Time) bool {
	ok, _, _ := t.take(partition, now)
	if ok {
		t.answered(partition, now, xapi.Limits{}, nil)
	}
	return ok
}

func TestEveryPartitionGetsItsFirstBeforeAnyItsSecond(t *testing.T) {
	turns := testTurns(3, 50)
	if !turns.try(1, sec(0)) {
		t.Fatal("the first of partition 1 has to wait")
	}
	ok, again, spent := turns.take(1, sec(1))
	if ok || spent || !again.Equal(sec(5)) {
		t.Errorf("the second of partition 1 before the others: %v, again at %v, spent %v", ok, again, spent)
	}
	if !turns.try(2, sec(1)) || !turns.try(3, sec(1)) {
		t.Error("a first has to wait")
	}
	if !turns.try(1, sec(1)) {
		t.Error("the second of partition 1 has to wait though all have their first")
	}
}

// A dead partition delays nobody for longer than its first attempt, or five
// seconds if that does not end.
func TestADeadPartitionDoesNotDelayTheOthers(t *testing.T) {
	turns := testTurns(2, 50)
	turns.try(1, sec(0))
	if ok, _, _ := turns.take(2, sec(0)); !ok {
		t.Fatal("partition 2 has to wait")
	}
	if turns.try(1, sec(1)) {
		t.Error("the second went before the attempt of partition 2 had ended")
	}
	turns.answered(2, sec(2), xapi.Limits{}, &xapi.Problem{Sent: true})
	if !turns.try(1, sec(2)) {
		t.Error("the second waits for a partition that has been refused")
	}

	turns = testTurns(2, 50)
	turns.try(1, sec(0))
	if !turns.try(1, sec(5)) {
		t.Error("the second waits for longer than five seconds")
	}
}

func TestScarceConnectsGoToPartitionsWithoutConnection(t *testing.T) {
	turns := testTurns(20, 10)
	up := map[int]int{}
	for n := range 20 {
		if turns.try(n+1, sec(0)) {
			up[n+1]++
		}
		if turns.try(n+1, sec(0)) {
			up[n+1]++
		}
	}
	if len(up) != 10 {
		t.Errorf("%d partitions got a connection, want 10", len(up))
	}
	for n, connections := range up {
		if connections != 1 {
			t.Errorf("partition %d got %d", n, connections)
		}
	}
	ok, again, spent := turns.take(20, sec(60))
	if ok || !spent || !again.Equal(sec(900)) {
		t.Errorf("partition 20: %v, again at %v, spent %v; want to wait for 15 minutes", ok, again, spent)
	}
}

func TestConnectsUnderWayCountAsSpent(t *testing.T) {
	turns := testTurns(2, 1)
	if ok, _, _ := turns.take(1, sec(0)); !ok {
		t.Fatal("the only connect is not given")
	}
	if ok, _, spent := turns.take(2, sec(0)); ok || !spent {
		t.Error("a second connect is given before the first is answered")
	}
	turns.answered(1, sec(1), xapi.Limits{}, &xapi.Problem{}) // it never left this machine
	if !turns.try(2, sec(1)) {
		t.Error("a connect that was not sent counts as spent")
	}
}

func TestARedundantConnectLeavesOneForEachPartitionWithout(t *testing.T) {
	turns := testTurns(3, 5)
	for n := range 3 {
		turns.try(n+1, sec(0))
	}
	turns.closed(3, sec(10))
	turns.take(3, sec(10))
	turns.answered(3, sec(10), xapi.Limits{}, &xapi.Problem{Sent: true})
	if turns.try(1, sec(20)) {
		t.Error("the last connect went to a redundant connection")
	}
	if !turns.try(3, sec(20)) {
		t.Error("partition 3 has to wait")
	}
}

func TestRefusedSlotsHoldRedundantConnectsOnly(t *testing.T) {
	turns := testTurns(2, 50)
	turns.try(1, sec(0))
	turns.try(2, sec(0))
	if redundant, news := turns.crowd(1, sec(1)); !redundant || !news {
		t.Errorf("first refusal: redundant %v, news %v", redundant, news)
	}
	if ok, again, _ := turns.take(2, sec(2)); ok || !again.Equal(sec(6)) {
		t.Errorf("another redundant connect: %v, again at %v", ok, again)
	}
	turns.closed(2, sec(2))
	if redundant, _ := turns.crowd(2, sec(2)); redundant {
		t.Error("the only connection of a partition counts as redundant")
	}
	if !turns.try(2, sec(2)) {
		t.Error("the only connection of a partition has to wait")
	}
	waits := []time.Duration{}
	for now := sec(10); now.Before(sec(4000)); now = turns.retryAt {
		if _, news := turns.crowd(1, now); news {
			t.Error("told twice")
		}
		waits = append(waits, turns.retryAt.Sub(now))
	}
	if last := waits[len(waits)-1]; last != 15*time.Minute || waits[0] != 10*time.Second {
		t.Errorf("waits %v", waits)
	}
	if !turns.try(1, sec(9999)) {
		t.Fatal("not asked again")
	}
	if _, news := turns.crowd(1, sec(9999)); !news {
		t.Error("no news after it had worked")
	}
}

func TestRepairLeavesFiveConnectsToLiveConnections(t *testing.T) {
	turns := testTurns(2, 8)
	turns.try(1, sec(0)) // seven are left, and partition 2 has none
	if ok, _ := turns.spare(sec(1)); !ok {
		t.Error("the sixth but last is refused to a repair")
	}
	if ok, again := turns.spare(sec(1)); ok || !again.Equal(sec(900)) {
		t.Errorf("one more for a repair: %v, again at %v", ok, again)
	}
	turns.spared(sec(2), xapi.Limits{}, &xapi.Problem{}) // it never left this machine
	if ok, _ := turns.spare(sec(2)); !ok {
		t.Error("a connect that was not sent counts as spent")
	}
	turns.spared(sec(2), xapi.Limits{}, nil)
	if !turns.try(2, sec(3)) {
		t.Error("a live connection has to wait")
	}
}

func TestAReconnectIsDueUnlessXRefusesTheSlot(t *testing.T) {
	turns := testTurns(1, 50)
	if !turns.due(1, sec(0)) {
		t.Error("not due at first")
	}
	turns.try(1, sec(0))
	if !turns.due(1, sec(1)) {
		t.Error("the second is not due")
	}
	turns.crowd(1, sec(1))
	if turns.due(1, sec(2)) {
		t.Error("due though X refuses the slot")
	}
	turns.withdraw(1)
	if turns.due(1, sec(9999)) {
		t.Error("due though it will never come")
	}
}
