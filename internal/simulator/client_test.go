package simulator

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is a simulator that serves in memory and in virtual time.
type world struct {
	*testing.T
	sim      *Simulator
	listener *MemoryListener
	http     *http.Client
}

// inWorld runs a test in a bubble whose clock stands in 2026, and checks that
// the simulator leaves nothing running: a bubble does not end otherwise.
func inWorld(t *testing.T, config Config, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		sim, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		listener := sim.ListenMemory()
		transport := &http.Transport{DialContext: listener.Dial, DisableCompression: true}
		ctx, stop := context.WithCancel(t.Context())
		var served sync.WaitGroup
		served.Go(func() {
			if err := sim.Serve(ctx, listener); err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
		synctest.Wait()
		defer func() { // also when the test gives up
			transport.CloseIdleConnections()
			stop()
			served.Wait()
			if n := len(sim.Connections().Open); n != 0 {
				t.Errorf("%d connections are open after the end", n)
			}
		}()
		test(&world{T: t, sim: sim, listener: listener, http: &http.Client{Transport: transport}})
	})
}

// reading is a client of one stream.
type reading struct {
	response *http.Response
	body     io.Reader
	lines    []string
	arrived  []time.Time
	end      error // io.EOF: a clean one
}

// get sends a request with the token. A query ends in "gzip" to ask for it.
func (w *world) get(path string) (*http.Response, error) {
	path, zip := strings.CutSuffix(path, " gzip")
	request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, "http://simulator"+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer simulator")
	if zip {
		request.Header.Set("Accept-Encoding", "gzip")
	}
	return w.http.Do(request)
}

// open connects to a stream that must answer 200.
func (w *world) open(path string) *reading {
	w.Helper()
	response, err := w.get(path)
	if err != nil {
		w.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		w.Fatalf("%s: %s: %s", path, response.Status, body)
	}
	r := &reading{response: response, body: response.Body}
	if response.Header.Get("Content-Encoding") == "gzip" {
		r.body = &lazyGzip{from: response.Body}
	}
	return r
}

// lazyGzip does not read before it is read: the header of a gzip stream comes
// with the first line.
type lazyGzip struct {
	from io.Reader
	zip  *gzip.Reader
}

func (l *lazyGzip) Read(b []byte) (int, error) {
	if l.zip == nil {
		var err error
		if l.zip, err = gzip.NewReader(l.from); err != nil {
			return 0, err
		}
	}
	return l.zip.Read(b)
}

// read takes complete lines until the stream ends or the time has passed; then
// it leaves.
func (r *reading) read(d time.Duration) *reading {
	leave := time.AfterFunc(d, func() { r.response.Body.Close() })
	defer leave.Stop()
	defer r.response.Body.Close()
	for in := bufio.NewReaderSize(r.body, 64<<10); ; {
		text, err := in.ReadString('\n')
		if err != nil {
			if text != "" && err == io.EOF {
				err = errHalfLine
			}
			r.end = err
			return r
		}
		r.lines = append(r.lines, text)
		r.arrived = append(r.arrived, time.Now())
	}
}

var errHalfLine = errors.New("the response ended in the middle of a line")

// ids returns the IDs of the lines that are Posts. It reads them where the
// simulator writes them, for decoding a day of Posts takes long.
func (r *reading) ids() []uint64 {
	var list []uint64
	for _, text := range r.lines {
		before, _, ok := strings.Cut(text, `"],"`)
		if !ok || !strings.Contains(before, `"edit_history_tweet_ids":["`) {
			var l line
			if json.Unmarshal([]byte(text), &l) != nil || l.Data.ID == "" {
				continue
			}
			before = l.Data.ID
		}
		if id, err := strconv.ParseUint(before[len(before)-idLength:], 10, 64); err == nil {
			list = append(list, id)
		}
	}
	return list
}

func (w *world) expected(stream string, partition int, from, to time.Time) []uint64 {
	w.Helper()
	seq, err := w.sim.Expected(stream, partition, from, to)
	if err != nil {
		w.Fatal(err)
	}
	return slices.Collect(seq)
}

// opened is when the only open connection was opened.
func (w *world) opened() time.Time {
	w.Helper()
	synctest.Wait()
	open := w.sim.Connections().Open
	if len(open) != 1 {
		w.Fatalf("%d connections are open, want one", len(open))
	}
	return open[0].Opened
}

// has checks that a client got the Posts of a period, in their order and once,
// and perhaps some of the last moments before the second time.
func (w *world) has(got []uint64, stream string, partition int, from, to time.Time) {
	w.Helper()
	want := w.expected(stream, partition, from, to)
	sure := len(w.expected(stream, partition, from, to.Add(-3*tick)))
	if len(got) < sure || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
		w.Errorf("%s: got %d Posts, want %d to %d from %s to %s", stream, len(got), sure, len(want), from, to)
	}
}

// problem is the refusal of a request.
func (w *world) refusal(path string) (*http.Response, problem) {
	w.Helper()
	response, err := w.get(path)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	var p problem
	if err := json.NewDecoder(response.Body).Decode(&p); err != nil {
		w.Fatalf("%s: %s: %v", path, response.Status, err)
	}
	return response, p
}

// control decodes the answer of a control path.
func (w *world) control(path string, into any) {
	w.Helper()
	response, err := w.http.Get("http://simulator/simulator/" + path)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		w.Fatalf("%s: %s", path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		w.Fatal(err)
	}
}

func (w *world) breakNow(f Fault) Happened {
	w.Helper()
	h, err := w.sim.Break(f)
	if err != nil {
		w.Fatal(err)
	}
	return h
}

const (
	filtered = "/2/tweets/search/stream"
	sample   = "/2/tweets/sample/stream"
	firehose = "/2/tweets/firehose/stream"
)

func params(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}
