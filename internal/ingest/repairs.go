package ingest

import (
	"fmt"
	"strings"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/repair"
)

// repairGaps lets the planner decide what becomes of all gaps now, and does as
// it says.
func (in *Ingest) repairGaps() {
	now := in.now()
	plan, news, jobs, ok := in.plan(now)
	if !ok {
		return
	}
	for _, n := range news {
		in.tellGap(n)
	}
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
		in.running.Go(func() { in.carryOut(r) })
	}
	in.observer.Repairing(jobs)
}

// plan asks the planner. It is not ok once the Ingest is closed. The gaps are
// looked at under the planner's lock, or a job that ends meanwhile would be
// started again.
func (in *Ingest) plan(now time.Time) (plan repair.Plan, news []gapNews, jobs map[string]int, ok bool) {
	in.planning.Lock()
	defer in.planning.Unlock()
	if in.ctx.Err() != nil {
		return plan, nil, nil, false
	}
	var gaps []repair.Gap
	for _, p := range in.parts {
		due := in.connectDue(p, now)
		var open []coverage.Interval
		up := false
		p.Do(func(a *account.Account) { open, up = a.Gaps(now), a.Up() })
		if n, is := p.gapNews(open, up, now); is {
			news = append(news, n)
		}
		for _, gap := range open {
			gaps = append(gaps, repair.Gap{Partition: p.number, Interval: gap, BackfillDue: due})
		}
	}
	plan = in.planner.Plan(now, gaps)
	return plan, news, in.jobs(), true
}

// gapNews says that a partition begins to have gaps, or that none is left.
type gapNews struct {
	partition int
	opened    coverage.Interval // from the first to the last; empty: none is left
	after     time.Duration     // since the log told of the first
}

// gapNews tells what is new of the gaps of a partition. Ingest.planning is held.
func (p *partition) gapNews(open []coverage.Interval, up bool, now time.Time) (n gapNews, is bool) {
	n.partition = p.number
	switch {
	case len(open) > 0 && p.gapSince.IsZero():
		p.gapSince = now
		n.opened = open[0].Hull(open[len(open)-1])
		return n, true
	case len(open) == 0 && !p.gapSince.IsZero() && up:
		n.after = now.Sub(p.gapSince)
		p.gapSince = time.Time{}
		return n, true
	}
	return n, false
}

func (in *Ingest) tellGap(n gapNews) {
	if n.opened.Empty() {
		in.logOf(n.partition).Info("no gap is open any more", "after", n.after.Round(time.Second).String())
		return
	}
	in.logOf(n.partition).Warn("a gap has opened", "period", n.opened.String())
}

// carryOut runs a job to its end, and plans anew.
func (in *Ingest) carryOut(j repair.Job) {
	p := in.partition(j.Partition)
	p.pin([]coverage.Interval{j.Window})
	outcome, events := in.runner.Run(in.ctx, j, p)
	if j.Method == repair.Recovery && outcome == repair.NoAccess {
		for _, p := range in.parts {
			p.Do((*account.Account).CloseSeams)
		}
	}
	in.planning.Lock()
	in.planner.Ended(in.now(), j, outcome, events)
	in.planning.Unlock()
	in.repairGaps()
}

// jobs counts those that run by method. Ingest.planning is held.
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
	var lost []coverage.Interval
	in.partition(loss.Partition).Do(func(a *account.Account) { lost = a.Lost(loss.Interval, loss.Reason) })
	for _, part := range lost {
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
