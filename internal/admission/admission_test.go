package admission

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

func sec(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Second))) }

// testAdmission is asked for two connections to each of partitions 1..N.
func testAdmission(partitions, connects int) *Admission {
	var numbers []int
	for n := range partitions {
		numbers = append(numbers, n+1)
	}
	return New(xapi.Rate{Count: connects, Per: 15 * time.Minute}, numbers, 2, start)
}

// try asks for a connect and lets it open, or says that it has to wait.
func (a *Admission) try(partition int, now time.Time) bool {
	ok, _, _ := a.Ask(partition, now)
	if ok {
		a.Answered(partition, now, xapi.Limits{}, nil)
	}
	return ok
}

func TestEveryPartitionGetsItsFirstBeforeAnyItsSecond(t *testing.T) {
	a := testAdmission(3, 50)
	if !a.try(1, sec(0)) {
		t.Fatal("the first of partition 1 has to wait")
	}
	ok, again, spent := a.Ask(1, sec(1))
	if ok || spent || !again.Equal(sec(5)) {
		t.Errorf("the second of partition 1 before the others: %v, again at %v, spent %v", ok, again, spent)
	}
	if !a.try(2, sec(1)) || !a.try(3, sec(1)) {
		t.Error("a first has to wait")
	}
	if !a.try(1, sec(1)) {
		t.Error("the second of partition 1 has to wait though all have their first")
	}
}

// A dead partition delays nobody for longer than its first attempt, or five
// seconds if that does not end.
func TestADeadPartitionDoesNotDelayTheOthers(t *testing.T) {
	a := testAdmission(2, 50)
	a.try(1, sec(0))
	if ok, _, _ := a.Ask(2, sec(0)); !ok {
		t.Fatal("partition 2 has to wait")
	}
	if a.try(1, sec(1)) {
		t.Error("the second went before the attempt of partition 2 had ended")
	}
	a.Answered(2, sec(2), xapi.Limits{}, &xapi.Problem{Sent: true})
	if !a.try(1, sec(2)) {
		t.Error("the second waits for a partition that has been refused")
	}

	a = testAdmission(2, 50)
	a.try(1, sec(0))
	if !a.try(1, sec(5)) {
		t.Error("the second waits for longer than five seconds")
	}
}

func TestScarceConnectsGoToPartitionsWithoutConnection(t *testing.T) {
	a := testAdmission(20, 10)
	up := map[int]int{}
	for n := range 20 {
		if a.try(n+1, sec(0)) {
			up[n+1]++
		}
		if a.try(n+1, sec(0)) {
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
	ok, again, spent := a.Ask(20, sec(60))
	if ok || !spent || !again.Equal(sec(900)) {
		t.Errorf("partition 20: %v, again at %v, spent %v; want to wait for 15 minutes", ok, again, spent)
	}
}

func TestConnectsUnderWayCountAsSpent(t *testing.T) {
	a := testAdmission(2, 1)
	if ok, _, _ := a.Ask(1, sec(0)); !ok {
		t.Fatal("the only connect is not given")
	}
	if ok, _, spent := a.Ask(2, sec(0)); ok || !spent {
		t.Error("a second connect is given before the first is answered")
	}
	a.Answered(1, sec(1), xapi.Limits{}, &xapi.Problem{}) // it never left this machine
	if !a.try(2, sec(1)) {
		t.Error("a connect that was not sent counts as spent")
	}
}

func TestARedundantConnectLeavesOneForEachPartitionWithout(t *testing.T) {
	a := testAdmission(3, 5)
	for n := range 3 {
		a.try(n+1, sec(0))
	}
	a.Closed(3, sec(10))
	a.Ask(3, sec(10))
	a.Answered(3, sec(10), xapi.Limits{}, &xapi.Problem{Sent: true})
	if a.try(1, sec(20)) {
		t.Error("the last connect went to a redundant connection")
	}
	if !a.try(3, sec(20)) {
		t.Error("partition 3 has to wait")
	}
}

func TestRefusedSlotsHoldRedundantConnectsOnly(t *testing.T) {
	a := testAdmission(2, 50)
	a.try(1, sec(0))
	a.try(2, sec(0))
	if served, news := a.SlotRefused(1, sec(1)); !served || !news {
		t.Errorf("first refusal: served %v, news %v", served, news)
	}
	if ok, again, _ := a.Ask(2, sec(2)); ok || !again.Equal(sec(6)) {
		t.Errorf("another redundant connect: %v, again at %v", ok, again)
	}
	a.Closed(2, sec(2))
	if served, _ := a.SlotRefused(2, sec(2)); served {
		t.Error("the only connection of a partition counts as redundant")
	}
	if !a.try(2, sec(2)) {
		t.Error("the only connection of a partition has to wait")
	}
	waits := []time.Duration{}
	for now := sec(10); now.Before(sec(4000)); now = a.retryAt {
		if _, news := a.SlotRefused(1, now); news {
			t.Error("news twice")
		}
		waits = append(waits, a.retryAt.Sub(now))
	}
	if last := waits[len(waits)-1]; last != 15*time.Minute || waits[0] != 10*time.Second {
		t.Errorf("waits %v", waits)
	}
	if !a.try(1, sec(9999)) {
		t.Fatal("not asked again")
	}
	if _, news := a.SlotRefused(1, sec(9999)); !news {
		t.Error("no news after it had worked")
	}
}

func TestRepairLeavesFiveConnectsToLiveConnections(t *testing.T) {
	a := testAdmission(2, 8)
	a.try(1, sec(0)) // seven are left, and partition 2 has none
	if ok, _ := a.AskRepair(sec(1)); !ok {
		t.Error("the sixth but last is refused to a repair")
	}
	if ok, again := a.AskRepair(sec(1)); ok || !again.Equal(sec(900)) {
		t.Errorf("one more for a repair: %v, again at %v", ok, again)
	}
	a.RepairAnswered(sec(2), xapi.Limits{}, &xapi.Problem{}) // it never left this machine
	if ok, _ := a.AskRepair(sec(2)); !ok {
		t.Error("a connect that was not sent counts as spent")
	}
	a.RepairAnswered(sec(2), xapi.Limits{}, nil)
	if !a.try(2, sec(3)) {
		t.Error("a live connection has to wait")
	}
}

func TestAReconnectIsDueUnlessXRefusesTheSlot(t *testing.T) {
	a := testAdmission(1, 50)
	if !a.Due(1, sec(0)) {
		t.Error("not due at first")
	}
	a.try(1, sec(0))
	if !a.Due(1, sec(1)) {
		t.Error("the second is not due")
	}
	a.SlotRefused(1, sec(1))
	if a.Due(1, sec(2)) {
		t.Error("due though X refuses the slot")
	}
	a.Opened(1, 2, sec(3))
	if a.Evicted(1, 1, sec(3)) {
		t.Error("a connection gives up at the first end for another")
	}
	a.Opened(1, 1, sec(4))
	if !a.Evicted(1, 2, sec(4)) {
		t.Error("no connection gives up at the second end in a row")
	}
	if a.Due(1, sec(9999)) {
		t.Error("due though it will never come")
	}
}

func TestTheOnlyConnectionOfAPartitionNeverGivesUp(t *testing.T) {
	a := testAdmission(1, 50)
	for n := range 4 {
		opened, ended := 1+n%2, 2-n%2
		a.Opened(1, opened, sec(float64(n)))
		if a.Evicted(1, ended, sec(float64(n))) {
			t.Errorf("gives up at end %d, though no other is up", n+1)
		}
	}
	if !a.Due(1, sec(9)) {
		t.Error("not due")
	}
}
