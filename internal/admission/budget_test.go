package admission

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

var fifty = xapi.Rate{Count: 50, Per: 15 * time.Minute}

func TestBudgetWithoutHeadersSlides(t *testing.T) {
	b := NewBudget(fifty)
	now := start
	for range 50 {
		if b.left(now) == 0 {
			t.Fatalf("nothing is left after %d connects", len(b.sent))
		}
		b.Sent(now, xapi.Limits{})
		now = now.Add(time.Second)
	}
	if got, want := b.grows(now), start.Add(15*time.Minute); b.left(now) != 0 || !got.Equal(want) {
		t.Errorf("%d are left after 50, and more at %v, want none until %v", b.left(now), got, want)
	}
}

// However often somebody asks, no 15 minutes see more connects than X allows.
func TestBudgetIsNeverExceeded(t *testing.T) {
	b := NewBudget(fifty)
	var sent []time.Time
	for now := start; now.Before(start.Add(6 * time.Hour)); now = now.Add(3 * time.Second) {
		if b.left(now) == 0 {
			continue
		}
		b.Sent(now, xapi.Limits{})
		sent = append(sent, now)
		if n := len(sent); n > 50 && sent[n-1].Sub(sent[n-51]) < 15*time.Minute {
			t.Fatalf("51 connects within %v", sent[n-1].Sub(sent[n-51]))
		}
	}
	if len(sent) < 24*50 {
		t.Errorf("only %d connects in six hours: the budget is not used", len(sent))
	}
}

func TestBudgetBelievesXsHeaders(t *testing.T) {
	b := NewBudget(fifty)
	reset := start.Add(5 * time.Minute)
	b.Sent(start, xapi.Limits{Known: true, Limit: 100, Remaining: 1, Reset: reset})
	if got := b.left(start); got != 1 {
		t.Errorf("%d left, want 1", got)
	}
	b.Sent(start, xapi.Limits{}) // an answer without headers, as after a reset
	if got := b.grows(start); b.left(start) != 0 || !got.Equal(reset) {
		t.Errorf("%d left until %v, want none until %v", b.left(start), got, reset)
	}
	if got := b.left(reset); got != 50 {
		t.Errorf("after the reset: %d left, want 50", got)
	}
}

func TestBudgetTakesTheLeastOfAnswersThatOvertakeEachOther(t *testing.T) {
	b := NewBudget(fifty)
	reset := start.Add(5 * time.Minute)
	for _, remaining := range []int{48, 47, 49} {
		b.Sent(start, xapi.Limits{Known: true, Limit: 50, Remaining: remaining, Reset: reset})
	}
	if got := b.left(start); got != 47 {
		t.Errorf("%d left, want 47", got)
	}
}
