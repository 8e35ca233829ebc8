package repair

import (
	"slices"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// Config is what the user allows and the stream offers.
type Config struct {
	Methods   []Method      // allowed by the user and offered by the stream
	MaxAge    time.Duration // older parts are lost; 0: no bound
	Window    time.Duration // longest window of a job, in whole seconds; 0: 2 h, X's advice
	MaxJobs   int           // recovery jobs at a time, over all partitions; 0: 2, X's limit
	SearchAll bool          // the full archive may be searched, too, for what recent search cannot bring
	MaxPosts  int           // Posts that the searches of one gap may bring; 0: no bound
}

const (
	defaultWindow  = 2 * time.Hour
	defaultMaxJobs = 2
	// searches is the number of search jobs at a time: X's limits on search
	// requests are an app's, so two would only share them.
	searches = 1
)

// Planner decides how gaps are closed. It is not safe for concurrent use.
type Planner struct {
	cfg      Config
	access   [endpoints]access
	running  []Running
	known    map[int][]knownGap
	reopened map[int]*coverage.Set // moments for which a connection was opened again
	replay   replay
}

// New makes a planner that knows no gap.
func New(cfg Config) *Planner {
	cfg.Window = cfg.Window.Truncate(time.Second)
	if cfg.Window <= 0 {
		cfg.Window = defaultWindow
	}
	if cfg.MaxJobs <= 0 {
		cfg.MaxJobs = defaultMaxJobs
	}
	return &Planner{cfg: cfg, reopened: map[int]*coverage.Set{}}
}

// Plan is what the caller must do now.
type Plan struct {
	// Start are jobs, which the planner counts as running from now on.
	Start []Job
	// Lost is to be recorded; what is not is told again. What grows too old
	// little by little is told in steps of ten minutes.
	Lost []Loss
	// Reopen are partitions of which one healthy connection is to be opened
	// again with backfill. A moment is asked for in this way only once.
	Reopen []int

	Announced []Announcement // gaps of which the repair begins
	Forecast  *Forecast      // nil: nothing that was not said before
}

// Plan decides what to do at now. The gaps are all that are open, also those
// under repair, sorted by time within each partition and without overlaps.
func (p *Planner) Plan(now time.Time, gaps []Gap) Plan {
	histories := p.remember(now, gaps)
	parts := p.parts(now, gaps, histories)
	var plan Plan
	outlines := p.outlines(now, gaps, histories, parts)
	running := len(p.running)
	plan.lose(now, parts)
	p.reopen(now, parts, &plan)
	p.start(now, parts, Recovery, p.cfg.MaxJobs, &plan)
	p.start(now, parts, Search, searches, &plan)
	plan.Announced = announce(outlines, p.running[running:])
	plan.Forecast = p.forecast(now, parts, len(plan.Announced) > 0)
	return plan
}

// Ended tells the planner that a job of a plan has ended, after it brought so
// many Posts. The caller has recorded what it repaired; the rest of its window
// is planned again.
func (p *Planner) Ended(now time.Time, job Job, outcome Outcome, posts int) {
	n := slices.IndexFunc(p.running, func(r Running) bool { return r.same(job) })
	if n < 0 {
		return
	}
	r := p.running[n]
	p.running = slices.Delete(p.running, n, n+1)
	if job.Method == Search {
		r.gap.posts += posts
		r.gap.capped = r.gap.capped || outcome == Capped || p.cfg.MaxPosts > 0 && r.gap.posts >= p.cfg.MaxPosts
	}
	a := &p.access[job.endpoint()]
	switch outcome {
	case Broken:
		a.broke(now)
	case NoAccess:
		a.refused(now)
	case Done, Capped:
		*a = access{}
		if job.Method == Recovery {
			p.replay.measure(job.Window.Duration(), now.Sub(r.Since))
		}
	}
}

// NoBackfill tells the planner that X refuses backfill to this account. It is
// left out for an hour.
func (p *Planner) NoBackfill(now time.Time) { p.access[backfill].refused(now) }

// Jobs returns the jobs that are running, in the order in which they were
// started.
func (p *Planner) Jobs() []Running { return slices.Clone(p.running) }
