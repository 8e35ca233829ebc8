package ingest

import (
	"math"
	"sync"
	"time"

	"github.com/Jeffail/checkpoint"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

// Reasons for which a period is lost.
const (
	lostNoBackfill = "no_backfill"     // X does not serve backfill to this account
	lostTooOld     = "beyond_backfill" // older than the five minutes that a backfill reaches back
)

// accessRetry is how long a method that X refused for lack of access is left
// out.
const accessRetry = time.Hour

// partition is the account of one partition: what its connections received,
// which of it the output has acknowledged, and what is missing.
type partition struct {
	number  int
	overlap time.Duration
	always  bool // ask for the longest backfill at every reconnect
	window  *dedupe.Window

	mu       sync.Mutex
	ledger   *coverage.Ledger // nil before the first attempt
	lateness lateness
	// A read's coverage counts as delivered once the output has acknowledged
	// it and all reads before it; tracker finds that moment.
	tracker *checkpoint.Uncapped[uint64]
	seq     uint64
	steps   []step

	refusedUntil time.Time // backfill is not asked for before
	up           int       // connections
	serving      bool      // a connection is proving coverage
}

// step is coverage that counts as delivered once the read seq and all before
// it are acknowledged.
type step struct {
	seq    uint64
	proven coverage.Interval
}

func newPartition(number int, overlap time.Duration, always bool, window *dedupe.Window) *partition {
	return &partition{number: number, overlap: overlap, always: always, window: window, tracker: checkpoint.NewUncapped[uint64]()}
}

// begin opens the ledger at the first attempt to connect, or at the first
// opening when that attempt succeeds.
func (p *partition) begin(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger == nil {
		p.ledger = coverage.NewLedger(at)
	}
}

// connected counts a connection that came up (by 1) or went down (by -1), and
// returns how many are up.
func (p *partition) connected(by int) (up int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up += by
	return p.up
}

// track registers a read that is about to be queued. The function that it
// returns must be called exactly once, when the read is acknowledged or
// rejected for good.
func (p *partition) track() (resolve func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	done := p.tracker.Track(p.seq, 1)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if seq := done(); seq != nil {
			p.deliver(*seq)
		}
	}
}

// deliver moves the delivered coverage over all steps up to seq.
func (p *partition) deliver(seq uint64) {
	n := 0
	for n < len(p.steps) && p.steps[n].seq <= seq {
		p.ledger.Delivered(p.steps[n].proven)
		n++
	}
	p.steps = p.steps[n:]
}

// received records proven coverage of everything tracked so far.
func (p *partition) received(proven coverage.Interval) {
	if proven.Empty() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ledger.Received(proven)
	p.serving = true
	if p.tracker.Pending() == 0 {
		p.ledger.Delivered(proven)
		return
	}
	if n := len(p.steps); n > 0 && p.steps[n-1].seq == p.seq && p.steps[n-1].proven.To.Equal(proven.From) {
		p.steps[n-1].proven.To = proven.To
		return
	}
	p.steps = append(p.steps, step{p.seq, proven})
}

// missing returns the gaps up to at, oldest first.
func (p *partition) missing(at time.Time) []coverage.Interval {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ledger.Open(at)
}

// measure counts how late live events arrived.
func (p *partition) measure(late []time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range late {
		p.lateness.add(d)
	}
}

// margin is how far before a gap events may be missing, because they were
// still on their way when it began.
func (p *partition) margin() time.Duration {
	return max(p.overlap, p.lateness.percentile999())
}

// lost tells the partition that nothing serves it from until on. The gap that
// begins here is widened at its start by the margin.
func (p *partition) lost(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving = false
	p.ledger.Reopen(coverage.Interval{From: until.Add(-p.margin()), To: until})
}

// backfill is the number of minutes to ask for at a connect at now, by X's
// clock, that may take as long as connecting: zero when nothing is missing or
// X has refused backfill lately.
func (p *partition) backfill(now time.Time, connecting time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger == nil || now.Before(p.refusedUntil) {
		return 0
	}
	gaps := p.ledger.Open(now)
	if len(gaps) == 0 {
		return 0
	}
	if p.always {
		return int(maxBackfill / time.Minute)
	}
	missing := min(now.Sub(gaps[0].From)+connecting, maxBackfill)
	return int(math.Ceil(missing.Minutes()))
}

// refused tells the partition that X refused backfill at now, and reports
// whether that is news.
func (p *partition) refused(now time.Time) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	news = p.refusedUntil.IsZero()
	p.refusedUntil = now.Add(accessRetry)
	return news
}

// opened tells the partition that a connection was opened with a backfill.
// What the backfill cannot bring is lost; opened returns those periods and
// the reason.
func (p *partition) opened(at time.Time, backfill time.Duration) (gone []coverage.Interval, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reason = lostTooOld
	if backfill == 0 {
		reason = lostNoBackfill
	}
	return p.ledger.Lost(coverage.Interval{From: p.ledger.Start(), To: at.Add(-backfill)}, reason), reason
}

// Account is a summary of a partition at a moment, by X's clock.
type Account struct {
	At             time.Time
	Open           time.Duration            // received by nobody, and not lost
	Lost           map[string]time.Duration // in total, by reason
	DeliveredUntil time.Time                // delivered or lost without a break since the start
}

func (p *partition) account(now time.Time) Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger == nil {
		return Account{At: now, DeliveredUntil: now}
	}
	a := Account{At: now, Lost: p.ledger.LostTime(), DeliveredUntil: p.ledger.DeliveredUntil(now)}
	until := now
	if p.serving {
		// What has come since the last heartbeat is not missing: it is not
		// proven yet.
		until = p.ledger.ReceivedUntil()
	}
	for _, gap := range p.ledger.Open(until) {
		a.Open += gap.Duration()
	}
	return a
}
