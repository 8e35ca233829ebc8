package ingest

import (
	"slices"
	"sync"
	"time"

	"github.com/Jeffail/checkpoint"

	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/repair"
)

// partition is the account of one partition: what its connections received,
// which of it the output has acknowledged, and what is missing.
type partition struct {
	number    int
	overlap   time.Duration
	heartbeat time.Duration // X sends at least a byte in this time
	dataOnly  bool          // see span
	always    bool          // ask for the longest backfill at every reconnect
	recovers  bool          // recovery is allowed
	window    *dedupe.Window
	heldMax   int // keys

	keeper   Keeper    // nil: not open
	gapSince time.Time // the log has told of a gap; guarded by Ingest.planning

	mu       sync.Mutex
	ledger   *coverage.Ledger // nil before the first attempt
	lateness lateness
	// A read's coverage counts as delivered once the output has acknowledged
	// it and all reads before it; tracker finds that moment.
	tracker *checkpoint.Uncapped[uint64]
	seq     uint64
	steps   []step

	frontier time.Time                    // end of what live connections brought and is delivered
	spans    []*span                      // of the connections that are up
	ends     []time.Time                  // see widen
	works    []*Work                      // jobs that are running
	held     map[dedupe.Key]*dedupe.Claim // see hold
	savedAt  time.Time                    // of the checkpoint; zero: not yet
}

// step is coverage that counts as delivered once the read seq and all before
// it are acknowledged.
type step struct {
	seq    uint64
	proven coverage.Interval
	live   bool             // by a live connection
	search *coverage.Search // nil: the stream brought it
}

func newPartition(number int, cfg Config, window *dedupe.Window) *partition {
	return &partition{
		number: number, overlap: cfg.Overlap, heartbeat: cfg.Stream.Heartbeat,
		dataOnly: cfg.SilenceTimeout > 0, always: cfg.AlwaysBackfill,
		recovers: slices.Contains(cfg.Repair.Methods, repair.Recovery),
		window:   window, heldMax: cfg.DedupeCapacity, tracker: checkpoint.NewUncapped[uint64](),
	}
}

// begin opens the ledger, if that has not been done.
func (p *partition) begin(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger == nil {
		p.ledger = coverage.NewLedger(at)
	}
}

// owes opens the ledger for an attempt to connect that failed or has to
// wait: from then on, and what was on its way, is owed.
func (p *partition) owes(at time.Time) { p.begin(at.Add(-p.overlap)) }

// judge tells which events of a read are new, and tracks the read if it has
// any: what it returns must then be called exactly once, when they are
// acknowledged or rejected for good. It is nil when there are none.
//
// Both happen in one step. Another connection that finds these events known
// may prove their time at any moment, and until they are acknowledged that
// must not count as delivered.
func (p *partition) judge(now time.Time, claim *dedupe.Claim, keys []dedupe.Key, verdicts []dedupe.Verdict, repaired bool) ([]dedupe.Verdict, delivery.Settle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	verdicts = p.window.Judge(now, claim, keys, verdicts)
	if repaired {
		p.passOver(keys, verdicts)
	}
	for _, v := range verdicts {
		if v == dedupe.New {
			return verdicts, p.track()
		}
	}
	return verdicts, nil
}

func (p *partition) track() delivery.Settle {
	p.seq++
	done := p.tracker.Track(p.seq, 1)
	return func(r *delivery.Read, fate delivery.Fate) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if fate == delivery.Rejected {
			p.rejected(r)
		}
		if seq := done(); seq != nil {
			p.deliver(*seq)
		}
	}
}

// deliver moves the delivered coverage over all steps up to seq.
func (p *partition) deliver(seq uint64) {
	n := 0
	for n < len(p.steps) && p.steps[n].seq <= seq {
		p.done(p.steps[n])
		n++
	}
	p.steps = p.steps[n:]
}

func (p *partition) done(s step) {
	if s.search != nil {
		p.ledger.Searched(*s.search)
	} else {
		p.ledger.Delivered(s.proven)
	}
	if s.live && s.proven.To.After(p.frontier) {
		p.frontier = s.proven.To
	}
}

// prove moves the coverage of one of the partition's connections, now that all
// that it had brought by proof is tracked. It returns the gaps that a backfill
// has closed.
func (p *partition) prove(sp *span, proof time.Time) (closed []coverage.Interval) {
	p.mu.Lock()
	defer p.mu.Unlock()
	unsettled := !sp.settled
	proven := sp.prove(proof)
	if proven.Empty() {
		return nil
	}
	if unsettled {
		for _, gap := range p.ledger.Open(sp.opened) {
			if part := gap.Intersect(proven); !part.Empty() {
				closed = append(closed, part)
			}
		}
	}
	p.receive(step{proven: proven, live: true})
	return closed
}

// receive records that everything of a step's period is tracked.
func (p *partition) receive(next step) {
	p.ledger.Received(next.proven)
	next.seq = p.seq
	if p.tracker.Pending() == 0 {
		p.done(next)
		return
	}
	// Connections that prove the same time in turns make one step.
	if n := len(p.steps); n > 0 && p.steps[n-1].seq == p.seq && p.steps[n-1].live && next.live {
		if last := &p.steps[n-1].proven; !next.proven.From.After(last.To) && !next.proven.To.Before(last.From) {
			*last = last.Hull(next.proven)
			return
		}
	}
	p.steps = append(p.steps, next)
}

// remembers is how far back the window remembers.
func (p *partition) remembers(now time.Time) (reach time.Duration, forgets bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.window.Reach(now)
}

// measure counts how late live events arrived.
func (p *partition) measure(late []time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range late {
		p.lateness.add(d)
	}
}

// rejected records that the output refused the events of a read for good.
func (p *partition) rejected(r *delivery.Read) {
	oldest, newest := r.Created()
	p.ledger.Rejected(oldest, newest, len(r.Events))
}

// Account is a summary of a partition at a moment, by X's clock.
type Account struct {
	At             time.Time
	Gaps           int                      // periods that were received by nobody, and are not lost
	Open           time.Duration            // how long they are together
	Lost           map[string]time.Duration // in total, by reason
	Searched       time.Duration            // in total
	Saved          time.Time                // of the checkpoint; zero: there is none
	DeliveredUntil time.Time                // delivered or lost without a break since the start
}

func (p *partition) account(now time.Time) Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ledger == nil {
		return Account{At: now, DeliveredUntil: now}
	}
	a := Account{At: now, Lost: p.ledger.LostTime(), Searched: p.ledger.SearchedTime(), Saved: p.savedAt, DeliveredUntil: p.ledger.DeliveredUntil(now)}
	// What has come since the last heartbeat is not missing: it is not proven
	// yet.
	for _, gap := range p.doubtful(now, func(s *span) bool { return s.settled }) {
		a.Gaps++
		a.Open += gap.Duration()
	}
	p.letGo(now)
	return a
}
