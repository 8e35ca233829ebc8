package ingest

import (
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

var fifty = xapi.Rate{Count: 50, Per: 15 * time.Minute}

func TestBudgetWithoutHeadersSlides(t *testing.T) {
	b := newBudget(fifty)
	now := start
	for range 50 {
		if got := b.next(now); !got.Equal(now) {
			t.Fatalf("held back until %v within the budget", got)
		}
		b.spent(now, xapi.Limits{})
		now = now.Add(time.Second)
	}
	if got, want := b.next(now), start.Add(15*time.Minute); !got.Equal(want) {
		t.Errorf("the 51st may be sent at %v, want %v", got, want)
	}
}

// However often somebody asks, no 15 minutes see more connects than X allows.
func TestBudgetIsNeverExceeded(t *testing.T) {
	b := newBudget(fifty)
	var sent []time.Time
	for now := start; now.Before(start.Add(6 * time.Hour)); now = now.Add(3 * time.Second) {
		if b.next(now).After(now) {
			continue
		}
		b.spent(now, xapi.Limits{})
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
	b := newBudget(fifty)
	reset := start.Add(5 * time.Minute)
	b.spent(start, xapi.Limits{Known: true, Limit: 100, Remaining: 1, Reset: reset})
	if got := b.next(start); !got.Equal(start) {
		t.Errorf("held back until %v with one connect left", got)
	}
	b.spent(start, xapi.Limits{}) // an answer without headers, as after a reset
	if got := b.next(start); !got.Equal(reset) {
		t.Errorf("with none left: %v, want the reset time %v", got, reset)
	}
	if got := b.next(reset); !got.Equal(reset) {
		t.Errorf("after the reset: held back until %v", got)
	}
}
