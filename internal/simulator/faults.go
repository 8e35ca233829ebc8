package simulator

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"time"
)

// Happened is the record of a fault.
type Happened struct {
	At    time.Time `json:"at"` // when it began
	Fault Fault     `json:"fault"`
	Hits  int       `json:"hits"` // connections or connects so far
	Note  string    `json:"note,omitempty"`
}

const (
	happenedKept = 10_000 // faults remembered
	pending      = 1_000  // faults that wait for connects
)

// faults carries faults out and remembers them.
type faults struct {
	account *account
	mu      sync.Mutex
	past    []*Happened
	waiting []*armed // the oldest first
}

// armed is a fault that waits for connects, or for Posts to be sent.
type armed struct {
	*Happened
	until time.Time // zero: no end
	left  int       // negative: no bound
	met   map[*connection]bool
}

// use counts one hit.
func (a *armed) use() Fault {
	a.Hits++
	a.left--
	return a.Fault
}

func newFaults(a *account) *faults {
	return &faults{account: a}
}

// run carries out a script, whose times count from now, until ctx ends.
func (f *faults) run(ctx context.Context, script iter.Seq[Fault]) {
	start := time.Now()
	for fault := range script {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(start.Add(fault.At))):
			f.begin(fault)
		}
	}
}

// Break makes X fail now.
func (s *Simulator) Break(f Fault) (Happened, error) {
	if err := f.validate(); err != nil {
		return Happened{}, fmt.Errorf("fault: %w", err)
	}
	return s.faults.begin(f), nil
}

// Faults returns the faults that have happened, the oldest first: the last 10,000.
func (s *Simulator) Faults() []Happened { return s.faults.list() }

func (f *faults) list() []Happened {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Happened, len(f.past))
	for i, h := range f.past {
		list[i] = *h
	}
	return list
}

// begin carries out a fault of open connections, or lets one of connects wait
// for them. Who sees the effect finds the record.
func (f *faults) begin(fault Fault) Happened {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := &Happened{At: time.Now(), Fault: fault}
	if fault.ofConnects() || fault.AfterPosts > 0 {
		f.arm(h)
	} else {
		f.hit(h)
	}
	f.remember(h)
	return *h
}

// hit gives the fault to the connections that it chooses.
func (f *faults) hit(h *Happened) {
	for _, c := range f.account.connections() {
		if !h.Fault.chooses(c) {
			continue
		}
		if c.order(h.Fault) {
			h.Hits++
		}
		if h.Hits == h.Fault.Count && h.Hits > 0 {
			break
		}
	}
	if h.Hits == 0 {
		h.Note = "no such connection was open"
		if h.Fault.Kind == DamagedGzip {
			h.Note = "no compressed connection was open"
		}
	}
}

// chooses reports whether the fault can hit an open connection.
func (f Fault) chooses(c *connection) bool {
	return f.hits(c.claim()) && (f.Kind != DamagedGzip || c.compressed())
}

// arm makes the fault wait for connects, or for Posts to be sent.
func (f *faults) arm(h *Happened) {
	if f.expire(); len(f.waiting) == pending {
		h.Note = "too many faults wait for connects already: left out"
		return
	}
	a := &armed{Happened: h, left: h.Fault.Count, met: map[*connection]bool{}}
	bounded := h.Fault.ofConnects() && h.Fault.For > 0
	if bounded {
		a.until = h.At.Add(h.Fault.For)
	}
	if h.Fault.Count == 0 {
		a.left = 1
		if bounded {
			a.left = -1
		}
	}
	f.waiting = append(f.waiting, a)
}

func (f *faults) remember(h *Happened) {
	if len(f.past) == happenedKept {
		f.past = slices.Delete(f.past, 0, happenedKept/2)
	}
	f.past = append(f.past, h)
}

// connect returns the fault that a request for a stream meets, if any.
func (f *faults) connect(c claim) (Fault, bool) {
	return f.take(func(fault Fault) bool { return fault.ofConnects() && fault.Kind != Refuse && fault.hits(c) })
}

// request returns the fault that a request which is answered at once meets.
func (f *faults) request(t Target) (Fault, bool) {
	return f.take(func(fault Fault) bool { return fault.Target == t })
}

// ahead returns the fault that a connection is to meet now, for it has sent
// enough Posts; or else how many it may send before the next.
func (f *faults) ahead(c *connection) (fault Fault, due bool, posts int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	posts = math.MaxInt
	for _, a := range f.waiting {
		if a.Fault.AfterPosts == 0 || a.met[c] || !a.Fault.chooses(c) {
			continue
		}
		left := a.Fault.AfterPosts - int(c.sent.Load())
		if left <= 0 {
			a.met[c] = true
			return a.use(), true, 0
		}
		posts = min(posts, left)
	}
	return Fault{}, false, posts
}

// refused reports whether a dial is refused, and counts it.
func (f *faults) refused() bool {
	_, ok := f.take(func(fault Fault) bool { return fault.Kind == Refuse })
	return ok
}

func (f *faults) take(is func(Fault) bool) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	for _, a := range f.waiting {
		if is(a.Fault) {
			return a.use(), true
		}
	}
	return Fault{}, false
}

func (f *faults) expire() {
	now := time.Now()
	f.waiting = slices.DeleteFunc(f.waiting, func(a *armed) bool {
		return a.left == 0 || !a.until.IsZero() && !now.Before(a.until)
	})
}

// refusedUntil returns the end of the present refusal of all dials, if there is
// one that is bound by time alone.
func (f *faults) refusedUntil() (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	var until time.Time
	for _, a := range f.waiting {
		if a.Fault.Kind == Refuse && a.left < 0 && a.until.After(until) {
			until = a.until
		}
	}
	return until, !until.IsZero()
}
