package simulator

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxFaultBody bounds a request that breaks something.
const maxFaultBody = 64 << 10

// controls adds the paths with which a test looks into the simulator and breaks
// it. They need no token.
func (s *Simulator) controls(mux *http.ServeMux) {
	mux.HandleFunc("GET /simulator/expected", s.getExpected)
	mux.HandleFunc("GET /simulator/connections", func(w http.ResponseWriter, _ *http.Request) { writeControl(w, http.StatusOK, s.Connections()) })
	mux.HandleFunc("GET /simulator/faults", func(w http.ResponseWriter, _ *http.Request) { writeControl(w, http.StatusOK, s.Faults()) })
	mux.HandleFunc("POST /simulator/faults", s.postFault)
	mux.HandleFunc("GET /simulator/status", func(w http.ResponseWriter, _ *http.Request) { writeControl(w, http.StatusOK, s.Status()) })
}

func writeControl(w http.ResponseWriter, status int, v any) {
	writeJSON(w, "application/json", status, v)
}

func refuseControl(w http.ResponseWriter, err error) {
	writeControl(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
}

// getExpected answers a JSON array of IDs, a line each, as it finds them:
// stream (default filtered), partition (default 0: all), from (default: the
// simulator's start) and to (default: now) as RFC 3339 with fractions.
func (s *Simulator) getExpected(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	stream, partition, from, to := "filtered", 0, s.started, time.Now()
	var err error
	for name := range q {
		value := q.Get(name)
		switch name {
		case "stream":
			stream = value
		case "partition":
			partition, err = strconv.Atoi(value)
		case "from":
			from, err = time.Parse(time.RFC3339Nano, value)
		case "to":
			to, err = time.Parse(time.RFC3339Nano, value)
		default:
			err = fmt.Errorf("there are stream, partition, from and to")
		}
		if err != nil {
			refuseControl(w, fmt.Errorf("parameter %s: %w", name, err))
			return
		}
	}
	ids, err := s.Expected(stream, partition, from, to)
	if err != nil {
		refuseControl(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriterSize(w, 64<<10)
	defer out.Flush()
	out.WriteByte('[')
	separator := ""
	for id := range ids {
		out.WriteString(separator)
		out.WriteByte('"')
		out.Write(strconv.AppendUint(out.AvailableBuffer(), id, 10))
		if err := out.WriteByte('"'); err != nil {
			return // the client has left
		}
		separator = ",\n"
	}
	out.WriteString("]\n")
}

// postFault breaks something now, as the Fault in the body says.
func (s *Simulator) postFault(w http.ResponseWriter, r *http.Request) {
	body, err := readAll(w, r, maxFaultBody)
	if err != nil {
		refuseControl(w, err)
		return
	}
	var fault Fault
	if err := fault.UnmarshalJSON(body); err != nil {
		refuseControl(w, fmt.Errorf("fault: %w", err))
		return
	}
	writeControl(w, http.StatusOK, s.faults.begin(fault))
}

func readAll(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	return b, nil
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
	Compressed      bool      `json:"compressed,omitempty"`
	Opened          time.Time `json:"opened"`
	Posts           int64     `json:"posts"`
	Bytes           int64     `json:"bytes"` // on the wire
}

// Connections returns the open connections and the record of connects.
func (s *Simulator) Connections() Connections {
	list := Connections{Open: []OpenConnection{}}
	for _, c := range s.account.connections() {
		list.Open = append(list.Open, OpenConnection{ID: c.id, Stream: c.stream.name, Partition: c.partition, BackfillMinutes: c.backfill,
			Compressed: c.compressed(), Opened: c.opened, Posts: c.sent.Load(), Bytes: c.bytes.Load()})
	}
	list.Connects, list.Total, list.Ended = s.account.past()
	return list
}

// Status is the simulator at a glance.
type Status struct {
	Seed    uint64    `json:"seed"`
	Rate    float64   `json:"rate"`
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"`
	Open    int       `json:"open"`  // connections
	Posts   int64     `json:"posts"` // sent, over all connections
	Rules   int       `json:"rules"`
	Faults  int       `json:"faults"`
}

// Status returns the present state.
func (s *Simulator) Status() Status {
	return Status{Seed: s.config.Seed, Rate: s.config.Rate, Started: s.started, Now: time.Now(),
		Open: len(s.account.connections()), Posts: s.posts.Load(), Rules: len(s.rules.latest()), Faults: len(s.faults.list())}
}

// splitList cuts a comma-separated parameter; none is nil.
func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
