package simulator

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxFaultBody bounds a request that breaks something.
const maxFaultBody = 64 << 10

// controls adds the paths with which a test looks into the simulator and breaks
// it. They need no token.
func (s *Simulator) controls(mux *http.ServeMux) {
	mux.HandleFunc("GET /simulator/expected", s.getExpected)
	mux.HandleFunc("GET /simulator/connections", func(w http.ResponseWriter, _ *http.Request) { writeControl(w, http.StatusOK, s.Connections()) })
	mux.HandleFunc("GET /simulator/requests", func(w http.ResponseWriter, _ *http.Request) { writeControl(w, http.StatusOK, s.Requests()) })
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
// simulator's start) and to (default: now) as RFC 3339 with fractions. With
// search (recent or all) and query they are what that search finds.
func (s *Simulator) getExpected(w http.ResponseWriter, r *http.Request) {
	ids, err := s.expected(r.URL.Query())
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

// expected reads the parameters of getExpected.
func (s *Simulator) expected(q url.Values) (iter.Seq[uint64], error) {
	partition, from, to := 0, s.started, time.Now()
	var err error
	for name := range q {
		value := q.Get(name)
		switch name {
		case "stream", "search", "query":
		case "partition":
			partition, err = strconv.Atoi(value)
		case "from":
			from, err = time.Parse(time.RFC3339Nano, value)
		case "to":
			to, err = time.Parse(time.RFC3339Nano, value)
		default:
			err = errors.New("there are stream, partition, search, query, from and to")
		}
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	if q.Has("query") != q.Has("search") {
		return nil, errors.New("parameters search and query: must be given together")
	}
	if !q.Has("search") {
		return s.Expected(cmp.Or(q.Get("stream"), "filtered"), partition, from, to)
	}
	if q.Has("stream") || q.Has("partition") {
		return nil, errors.New("parameter search: a search is of no stream")
	}
	return s.ExpectedSearch(q.Get("search"), q.Get("query"), from, to)
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
