package simulator

import (
	"net/url"
	"slices"
	"sync"
	"time"
)

// recordKept bounds each record of requests.
const recordKept = 20_000

// record keeps the last requests, and counts all.
type record[T any] struct {
	mu    sync.Mutex
	list  []T
	total int64
}

func (r *record[T]) add(request T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == recordKept {
		r.list = slices.Delete(r.list, 0, recordKept/2)
	}
	r.list = append(r.list, request)
	r.total++
}

func (r *record[T]) all() (list []T, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]T{}, r.list...), r.total
}

// Connect is one request for a stream, as /simulator/connections lists it.
type Connect struct {
	At              time.Time `json:"at"`
	Stream          string    `json:"stream"`
	Partition       int       `json:"partition,omitempty"`
	BackfillMinutes int       `json:"backfill_minutes,omitempty"`
	StartTime       time.Time `json:"start_time,omitzero"` // of a recovery
	EndTime         time.Time `json:"end_time,omitzero"`
	Status          int       `json:"status"` // 0: no answer, by a fault
}

// Request is one request for a path of X's that is answered at once, such as a
// search or the list of rules, as /simulator/requests lists it.
type Request struct {
	At     time.Time  `json:"at"`
	Method string     `json:"method"`
	Path   string     `json:"path"`
	Query  url.Values `json:"query,omitempty"`
	Status int        `json:"status"` // 0: no answer, by a fault
}

// Requests returns the requests that were answered at once, the oldest first:
// the last 10,000 at least.
func (s *Simulator) Requests() []Request {
	list, _ := s.account.requests.all()
	return list
}

// Connections is what the account has open and has asked for.
type Connections struct {
	Open     []OpenConnection `json:"open"`
	Ended    map[string]int   `json:"ended"`    // by reason
	Total    int64            `json:"total"`    // requests for streams
	Connects []Connect        `json:"connects"` // the last of them, the oldest first: at least 10,000
}

// OpenConnection is one stream in progress.
type OpenConnection struct {
	ID              int64     `json:"id"`
	Stream          string    `json:"stream"`
	Partition       int       `json:"partition,omitempty"`
	BackfillMinutes int       `json:"backfill_minutes,omitempty"`
	StartTime       time.Time `json:"start_time,omitzero"` // of a recovery
	EndTime         time.Time `json:"end_time,omitzero"`
	Compressed      bool      `json:"compressed,omitempty"`
	Opened          time.Time `json:"opened"`
	Posts           int64     `json:"posts"`
	Bytes           int64     `json:"bytes"` // on the wire
}

// Connections returns the open connections and the record of connects.
func (s *Simulator) Connections() Connections {
	list := Connections{Open: []OpenConnection{}, Ended: s.account.endings()}
	for _, c := range s.account.connections() {
		list.Open = append(list.Open, OpenConnection{ID: c.id, Stream: c.stream.name, Partition: c.asked.partition, BackfillMinutes: c.asked.backfill,
			StartTime: c.asked.recovery.from, EndTime: c.asked.recovery.to,
			Compressed: c.compressed(), Opened: c.opened, Posts: c.sent.Load(), Bytes: c.bytes.Load()})
	}
	list.Connects, list.Total = s.account.connects.all()
	return list
}

// endings counts the connections that have ended, by reason.
func (a *account) endings() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	ended := map[string]int{}
	for why, n := range a.ended {
		ended[string(why)] = n
	}
	return ended
}
