package run

import (
	"context"
	"sync"
	"time"

	"github.com/xconnect-dev/xconnect/internal/admission"
	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// worthTelling is the shortest wait for X's limit that is logged.
const worthTelling = time.Minute

// pace keeps the searches within X's limits on requests to each endpoint, which
// all jobs share.
type pace struct {
	mu      sync.Mutex // guards budgets, and nothing waits under it
	budgets map[string]*admission.Budget
}

func (p *pace) pause(now time.Time, e xapi.SearchEndpoint) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.budgets == nil {
		p.budgets = map[string]*admission.Budget{}
	}
	b := p.budgets[e.Name]
	if b == nil {
		b = admission.NewBudget(e.Requests)
		p.budgets[e.Name] = b
	}
	return b.Pause(now, e.Pause)
}

func (p *pace) sent(now time.Time, e xapi.SearchEndpoint, limits xapi.Limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budgets[e.Name].Sent(now, limits)
}

// await waits until one more request to a search endpoint may be sent.
func (s *searcher) await(ctx context.Context, e xapi.SearchEndpoint) {
	for ctx.Err() == nil {
		pause := s.pace.pause(s.Now(), e)
		if pause <= 0 {
			return
		}
		if pause > worthTelling {
			s.log.Info("the search waits for X's limit on requests", "wait", pause.Round(time.Second).String())
		}
		wait.Sleep(ctx, pause)
	}
}
