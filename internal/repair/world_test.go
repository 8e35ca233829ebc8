package repair

import (
	"slices"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

var epoch = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is a caller of a planner, and the X that it asks, in a time of its own.
// It checks every plan against the rules that hold for all of them.
type world struct {
	t       *testing.T
	cfg     Config
	p       *Planner
	now     time.Time
	ledgers map[int]*coverage.Ledger
	due     map[int]bool
	// What X does.
	speed   float64                                         // of replay
	refuses map[endpoint]bool                               // for lack of access
	fails   func(Job) (outcome Outcome, done time.Duration) // of a job that X lets in; nil: none

	asked     []Job // that X let in
	refused   []Job
	lost      []Loss
	reopened  []time.Time
	announced []Announcement
	forecasts []*Forecast
	forecast  []time.Time // when
	gone      map[string]time.Duration
	ends      []ending
	idle      int // plans a second apart that decided nothing
}

type ending struct {
	job     Job
	at      time.Time
	outcome Outcome
	done    time.Duration // what of the window was repaired
}

func newWorld(t *testing.T, cfg Config) *world {
	p := New(cfg)
	return &world{
		t: t, cfg: p.cfg, p: p, now: epoch, speed: 10, refuses: map[endpoint]bool{},
		ledgers: map[int]*coverage.Ledger{}, due: map[int]bool{}, gone: map[string]time.Duration{},
	}
}

// gap lets the account of a partition miss what lies between those ages.
func (w *world) gap(partition int, from, to time.Duration) coverage.Interval {
	i := coverage.Interval{From: w.now.Add(-from), To: w.now.Add(-to)}
	l := w.ledgers[partition]
	if l == nil {
		l = coverage.NewLedger(w.now.Add(-30 * 24 * time.Hour))
		l.Received(coverage.Interval{From: l.Snapshot().Start, To: w.now})
		w.ledgers[partition] = l
	}
	l.Uncover(i)
	return i
}

func (w *world) gaps() []Gap {
	var gaps []Gap
	for partition := range 40 {
		if l := w.ledgers[partition]; l != nil {
			for _, i := range l.Open(w.now) {
				gaps = append(gaps, Gap{partition, i, w.due[partition]})
			}
		}
	}
	return gaps
}

// plan carries one plan out, and returns when to plan again.
func (w *world) plan() time.Time {
	w.t.Helper()
	running := w.p.Jobs()
	plan := w.p.Plan(w.now, w.gaps())
	for _, loss := range plan.Lost {
		w.checkLoss(loss)
		w.ledgers[loss.Partition].Lost(loss.Interval, loss.Reason)
		w.gone[loss.Reason] += loss.Duration()
	}
	w.lost = append(w.lost, plan.Lost...)
	for _, job := range plan.Start {
		w.checkStart(job, running)
		running = append(running, Running{Job: job})
		w.begin(job)
	}
	for range plan.Reopen {
		w.reopened = append(w.reopened, w.now)
	}
	w.announced = append(w.announced, plan.Announced...)
	if plan.Forecast != nil {
		w.forecasts, w.forecast = append(w.forecasts, plan.Forecast), append(w.forecast, w.now)
	}
	again := w.p.Plan(w.now, w.gaps())
	next := w.p.wake(w.now, w.gaps())
	if len(again.Start)+len(again.Lost)+len(again.Reopen)+len(again.Announced) > 0 || again.Forecast != nil {
		w.t.Fatalf("%v: planned twice at one moment: %+v after %+v", w.now, again, plan)
	}
	w.idle++
	if next.IsZero() || next.Sub(w.now) > time.Second || len(plan.Start)+len(plan.Lost)+len(plan.Reopen) > 0 {
		w.idle = 0
	}
	if w.idle > 10 {
		w.t.Fatalf("%v: planned every second; open: %v", w.now, w.gaps())
	}
	return next
}

// begin lets X answer a request.
func (w *world) begin(job Job) {
	e := ending{job: job, at: w.now.Add(time.Second), outcome: NoAccess}
	if w.refuses[job.endpoint()] {
		w.refused = append(w.refused, job)
	} else {
		w.asked = append(w.asked, job)
		e.outcome, e.done = Done, job.Window.Duration()
		if w.fails != nil {
			e.outcome, e.done = w.fails(job)
		}
		e.at = w.now.Add(time.Duration(float64(e.done) / w.speed)).Add(time.Millisecond)
	}
	w.ends = append(w.ends, e)
}

// advance goes to at, or to the end of the job that ends before.
func (w *world) advance(at time.Time) {
	if !at.IsZero() && !at.After(w.now) {
		w.t.Fatalf("%v: to be planned again at %v", w.now, at)
	}
	n := -1
	for i, e := range w.ends {
		if at.IsZero() || !e.at.After(at) {
			n, at = i, e.at
		}
	}
	if at.IsZero() {
		w.t.Fatalf("%v: asleep for ever with gaps %v", w.now, w.gaps())
	}
	for partition, l := range w.ledgers {
		if !w.due[partition] {
			l.Received(coverage.Interval{From: w.now, To: at})
		}
	}
	w.now = at
	if n < 0 {
		return
	}
	e := w.ends[n]
	w.ends = slices.Delete(w.ends, n, n+1)
	w.ledgers[e.job.Partition].Received(coverage.Interval{From: e.job.Window.From, To: e.job.Window.From.Add(e.done)})
	w.p.Ended(w.now, e.job, e.outcome, int(e.done/time.Second)) // a Post a second
}

// run plans until no gap is left, or until end.
func (w *world) run(end time.Time) {
	w.t.Helper()
	for steps := 0; w.now.Before(end) && (len(w.gaps()) > 0 || len(w.ends) > 0); steps++ {
		if steps > 20_000 {
			w.t.Fatalf("%v: too many plans for %d jobs; open: %v", w.now, len(w.asked), w.gaps())
		}
		w.advance(earlier(w.plan(), end))
	}
}

func (w *world) checkStart(job Job, running []Running) {
	w.t.Helper()
	same := map[Method]int{}
	for _, r := range running {
		same[r.Method]++
		if r.Partition == job.Partition && !r.Window.Intersect(job.Window).Empty() {
			w.t.Errorf("%v: %v is asked for, and %v runs", w.now, job, r.Job)
		}
	}
	if limit := map[Method]int{Recovery: w.cfg.MaxJobs, Search: 1}[job.Method]; same[job.Method] >= limit {
		w.t.Errorf("%v: %d jobs of %v run already", w.now, same[job.Method], job.Method)
	}
	if !slices.Contains(w.cfg.Methods, job.Method) || job.SearchAll && !w.cfg.SearchAll {
		w.t.Errorf("%v: %v is not allowed", w.now, job)
	}
	i := job.Window
	if i.Empty() || i.Duration() > w.cfg.Window+time.Second || !i.From.Equal(floor(i.From)) || !i.To.Equal(floor(i.To)) {
		w.t.Errorf("%v: no window: %v", w.now, i)
	}
	if w.now.Sub(i.To) < time.Minute {
		w.t.Errorf("%v: %v is asked for too early", w.now, i)
	}
	reach := map[endpoint]time.Duration{recovery: 24*time.Hour - 2*time.Minute, recent: 7*24*time.Hour - 2*time.Minute, archive: forever}[job.endpoint()]
	if w.cfg.MaxAge > 0 {
		reach = min(reach, w.cfg.MaxAge)
	}
	if w.now.Sub(i.From) > reach {
		w.t.Errorf("%v: %v of %v is asked for too late", w.now, i, job.Method)
	}
	for _, covered := range missing(w.ledgers[job.Partition].Open(w.now), i) {
		if covered.Duration() >= time.Second {
			w.t.Errorf("%v: %v is asked for, and %v of it is no gap", w.now, i, covered)
		}
	}
}

// checkLoss checks that nothing that is allowed and granted reaches the loss.
func (w *world) checkLoss(loss Loss) {
	w.t.Helper()
	for _, covered := range missing(w.ledgers[loss.Partition].Open(w.now), loss.Interval) {
		w.t.Errorf("%v: %v is lost, and %v of it is no gap", w.now, loss, covered)
	}
	if loss.Reason == MaxPosts {
		return
	}
	age := w.now.Sub(loss.To)
	if w.cfg.MaxAge > 0 && age >= w.cfg.MaxAge-time.Second {
		return
	}
	for e := range endpoints {
		if w.p.allowed(e) && !w.refuses[e] && !(e == backfill && w.p.leftOut(e, w.now)) && age < e.reach()-time.Second {
			w.t.Errorf("%v: %v is lost (%s), and %v reaches it", w.now, loss.Interval, loss.Reason, e.method())
		}
	}
}

// missing returns what of i the periods do not hold.
func missing(periods []coverage.Interval, i coverage.Interval) []coverage.Interval {
	var s coverage.Set
	for _, p := range periods {
		s.Add(p)
	}
	return s.Missing(i)
}

// total is how much was asked for by the method, and in how many requests.
func total(jobs []Job, by Method) (time.Duration, int) {
	var sum time.Duration
	n := 0
	for _, j := range jobs {
		if j.Method == by {
			sum += j.Window.Duration()
			n++
		}
	}
	return sum, n
}
