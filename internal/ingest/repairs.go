package ingest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/wait"
)

// repairGaps lets the planner decide what becomes of all gaps now, and does as
// it says.
func (in *Ingest) repairGaps() {
	in.planning.Lock()
	defer in.planning.Unlock()
	if in.ctx.Err() != nil {
		return
	}
	now := in.now()
	var gaps []repair.Gap
	for _, p := range in.parts {
		due := in.connectDue(p, now)
		certain := p.certain(now)
		in.tellGap(p, certain, now)
		for _, gap := range certain {
			gaps = append(gaps, repair.Gap{Partition: p.number, Interval: gap, BackfillDue: due})
		}
	}
	plan := in.planner.Plan(now, gaps)
	for _, loss := range plan.Lost {
		in.lose(loss)
	}
	for _, n := range plan.Reopen {
		in.reopen(n)
	}
	for _, a := range plan.Announced {
		in.announce(a)
	}
	if f := plan.Forecast; f != nil {
		in.forecast(f)
	}
	for _, r := range plan.Start {
		j := newJob(in, in.partition(r.Partition), r)
		in.running.Go(func() { in.carryOut(j) })
	}
	in.observer.Repairing(in.jobs())
}

// tellGap logs when a partition begins to have gaps, and when none is left.
func (in *Ingest) tellGap(p *partition, certain []coverage.Interval, now time.Time) {
	switch {
	case len(certain) > 0 && p.gapSince.IsZero():
		p.gapSince = now
		in.logOf(p.number).Warn("a gap has opened", "period", certain[0].Hull(certain[len(certain)-1]).String())
	case len(certain) == 0 && !p.gapSince.IsZero() && p.connected():
		in.logOf(p.number).Info("no gap is open any more", "after", now.Sub(p.gapSince).Round(time.Second).String())
		p.gapSince = time.Time{}
	}
}

// carryOut runs a job to its end, and plans anew.
func (in *Ingest) carryOut(j *job) {
	began := time.Now()
	outcome := j.run(in.ctx)
	wait.Sleep(in.ctx, redundantPause) // until X has noticed that the slot is free
	if j.Method == repair.Recovery && outcome == repair.NoAccess {
		for _, p := range in.parts {
			p.closeSeams()
		}
	}
	in.planning.Lock()
	in.planner.Ended(in.now(), j.Job, outcome, j.posts)
	in.planning.Unlock()
	if outcome == repair.Done {
		j.log.Info("repaired", "events", j.posts, "took", time.Since(began).Round(time.Millisecond).String())
	}
	in.repairGaps()
}

// jobs counts those that run by method.
func (in *Ingest) jobs() map[string]int {
	running := map[string]int{string(repair.Recovery): 0, string(repair.Search): 0}
	for _, r := range in.planner.Jobs() {
		running[string(r.Method)]++
	}
	return running
}

func (in *Ingest) partition(number int) *partition {
	for _, p := range in.parts {
		if p.number == number {
			return p
		}
	}
	return nil
}

// lose records that nothing will bring a period any more.
func (in *Ingest) lose(loss repair.Loss) {
	for _, part := range in.partition(loss.Partition).lose(loss.Interval, loss.Reason) {
		in.logOf(loss.Partition).Error("events are lost", "period", part.String(), "seconds", part.Duration().Seconds(), "reason", loss.Reason)
	}
}

// announce tells how a gap will be closed.
func (in *Ingest) announce(a repair.Announcement) {
	var by []string
	for _, s := range a.Shares {
		what := string(s.Method)
		if s.SearchAll {
			what += " of the full archive"
		}
		by = append(by, fmt.Sprintf("%s of %s in %d requests", what, s.Time.Round(time.Second), s.Requests))
	}
	log := in.logOf(a.Partition).With("period", a.Interval.String(), "plan", strings.Join(by, ", "))
	if a.Wait > 0 {
		log = log.With("waits_for_access", a.Wait.Round(time.Second).String())
	}
	log.Info("a gap will be repaired")
}

// forecast tells how long the repair of all gaps will take, and what will be
// too old by then.
func (in *Ingest) forecast(f *repair.Forecast) {
	in.log.Info("how long the repair takes", "stream", in.cfg.Stream.Name, "replay_speed", fmt.Sprintf("%.1f", f.Speed), "to_recover", f.Rest.Round(time.Second).String(), "takes", f.Needs.Round(time.Second).String())
	for _, e := range f.Expires {
		in.logOf(e.Partition).Warn("this will be too old before its turn comes", "period", e.Interval.String(), "seconds", e.Duration().Seconds())
	}
}

// reopen ends one connection of a partition, a healthy one if there is one, so
// that it connects again with backfill.
func (in *Ingest) reopen(partition int) {
	for _, onlySettled := range []bool{true, false} {
		for _, c := range in.connections {
			if c.partition.number == partition && c.reopen(onlySettled) {
				return
			}
		}
	}
}

// certain returns the gaps that no live connection may still prove. While a
// partition has no connection it returns none: its newest gap is not known
// before the next opening.
func (p *partition) certain(now time.Time) []coverage.Interval {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger == nil || len(p.spans) == 0 {
		return nil
	}
	return p.doubtful(now, anySpan)
}

// Work is a job that is running, as a record shows it.
type Work struct {
	Method  string            `json:"method"`
	Window  coverage.Interval `json:"window"`
	Since   time.Time         `json:"since"`
	Reached time.Time         `json:"reached"` // everything of the window up to here has been brought
	Events  int               `json:"events"`
}

// begun notes a job that is running.
func (p *partition) begun(j repair.Job, at time.Time) *Work {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &Work{Method: string(j.Method), Window: j.Window, Since: at, Reached: j.Window.From}
	p.works = append(p.works, w)
	return w
}

// over notes that a job runs no more.
func (p *partition) over(w *Work) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.works = slices.DeleteFunc(p.works, func(o *Work) bool { return o == w })
}

// connected reports whether a connection of the partition is up.
func (p *partition) connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.spans) > 0
}

// repaired records that a job has brought everything of a period, and returns
// how much of it was missing.
func (p *partition) repaired(i coverage.Interval, w *Work, events int) (closed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Reached, w.Events = i.To, events
	closed = p.missing(i)
	p.receive(step{proven: i})
	return closed
}

// searched records that a search has brought what it could of a period.
func (p *partition) searched(s coverage.Search, w *Work, events int) (closed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Reached, w.Events = s.To, events
	closed = p.missing(s.Interval)
	p.receive(step{proven: s.Interval, search: &s})
	return closed
}

func (p *partition) missing(i coverage.Interval) (total time.Duration) {
	for _, gap := range p.ledger.Open(i.To) {
		total += gap.Intersect(i).Duration()
	}
	return total
}

// lose records that nothing will bring a period any more, and returns what of
// it was open.
func (p *partition) lose(i coverage.Interval, reason string) []coverage.Interval {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ledger.Lost(i, reason)
}
