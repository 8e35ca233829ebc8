package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

const longRepair = `
http: {address: '%s'}
logger: {format: json}
metrics: {prometheus: {}}
shutdown_timeout: %s
cache_resources:
  - label: state
    file: {directory: '%s'}
input:
  x_stream:
    base_url: %s
    bearer_token: %s
    checkpoint_cache: state
    start_from: -30h
    repair: {search: {max_posts: 0}}
pipeline:
  processors:
    - mapping: 'root = {"source": @x_source, "data": {"id": @x_id}}'
output:
  file: {path: '%s', codec: lines}
`

// Thirty hours: the last five minutes are in reach of backfill, 24 hours in
// reach of recovery, and the rest is searched for, while live Posts flow.
func TestThirtyHoursAreRepaired(t *testing.T) {
	long(t)
	// The five searches have about 480 pages, and X allows 450 in 15 minutes.
	requests, limit := 1000, 4*time.Minute
	if soak() {
		requests, limit = 0, 25*time.Minute
	}
	x := startX(t, simulator.Config{Rate: 2, SendBuffer: 64 << 20, Rules: fiveRules(), Account: simulator.Account{SearchRequests: requests}})
	output, state := filepath.Join(t.TempDir(), "posts.jsonl"), t.TempDir()
	began := time.Now()
	most := watchRecoveries(x)
	p := startPipeline(t, func(address string) string {
		return fmt.Sprintf(longRepair, address, shutdownTimeout, state, x.url, token, output)
	})
	p.output = output
	opened := x.firstOpened()
	eventually(t, limit, "the end of the repair", func() bool {
		time.Sleep(time.Second)
		open, err := p.sample("x_stream_gap_open_seconds")
		return err == nil && open == 0 && time.Since(opened) > 5*time.Second
	})
	took := time.Since(began)
	lost, searched := p.metric("x_stream_gap_lost_seconds"), p.metric("x_stream_gap_searched_seconds")
	until := time.Now()
	time.Sleep(3 * time.Second)
	p.stop(syscall.SIGTERM)

	asked := askedFor(x)
	if lost != 0 || searched < 5.9*3600 || searched > 6.1*3600 {
		t.Errorf("%v seconds are lost, %v searched; want 0, and 6 h", lost, searched)
	}
	if n := most(); n != 2 {
		t.Errorf("%d recovery connections at a time, want 2", n)
	}
	if late := asked.searchedFrom.Sub(began.Add(-30 * time.Hour)); late > 10*time.Second || asked.recoveredFrom.After(asked.searchedTo) {
		t.Errorf("searched from %s after the start until %s, recovered from %s: there is a hole", late, asked.searchedTo, asked.recoveredFrom)
	}
	have := p.delivered()
	owed := x.owed(asked.recoveredFrom, until)
	streamed := len(owed)
	for _, r := range x.Rules() {
		ids, err := x.ExpectedSearch("recent", r.Value, asked.searchedFrom, asked.searchedTo)
		if err != nil {
			t.Fatal(err)
		}
		for id := range ids {
			owed[id] = true
		}
	}
	if left := missing(owed, have); len(left) > 0 {
		t.Errorf("%d of %d Posts are missing; the first was created at %s", len(left), len(owed), created(left[0]).UTC().Format(time.RFC3339))
	}
	if n := have.repeats(); n > 0 {
		t.Errorf("%d repeats", n)
	}
	sent := x.owed(asked.searchedFrom.Add(-time.Minute), time.Now())
	for id := range have {
		if !sent[id] && !owed[id] {
			t.Errorf("%d is in the output, and is no Post of this time", id)
		}
	}
	by := sources(p)
	for _, source := range []string{"live", "backfill", "recovery", "search"} {
		if by[source] == 0 {
			t.Errorf("%s brought nothing: %v", source, by)
		}
	}
	t.Logf("repaired in %s: %d Posts owed, %d of them searched for, %d in the file; %d recoveries, %d pages of searches, %d requests for rules, %d others, %d connects; by source %v",
		took.Round(time.Second), len(owed), len(owed)-streamed, len(have), asked.recoveries, asked.pages, asked.rules, asked.others, x.Connections().Total, by)
}

// fiveRules match every Post together, and some twice.
func fiveRules() []simulator.Rule {
	var rules []simulator.Rule
	for n, topics := range []string{
		"basket OR bridge OR camera OR candle OR castle OR coffee OR cookie OR cotton OR desert OR dragon OR energy OR engine",
		"engine OR family OR flower OR forest OR galaxy OR garden OR guitar OR hammer OR harbor OR hockey OR island",
		"jacket OR kitten OR lawyer OR marble OR market OR mirror OR museum OR orange OR parade OR parrot",
		"pencil OR planet OR pocket OR puzzle OR rabbit OR recipe OR rocket OR school OR silver",
		"soccer OR sunset OR temple OR ticket OR travel OR tunnel OR violin OR window OR winter OR basket",
	} {
		rules = append(rules, simulator.Rule{Value: topics, Tag: fmt.Sprint(n)})
	}
	return rules
}

// watchRecoveries looks at the open connections until the function that it
// returns is called, which tells the largest number of recoveries at a time.
func watchRecoveries(x *fakeX) (most func() int) {
	ctx, stop := context.WithCancel(x.Context())
	var watching sync.WaitGroup
	largest := 0
	watching.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			n := 0
			for _, c := range x.Connections().Open {
				if recovers(c) {
					n++
				}
			}
			largest = max(largest, n)
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	most = sync.OnceValue(func() int {
		stop()
		watching.Wait()
		return largest
	})
	x.Cleanup(func() { most() })
	return most
}

// asked is what X was asked for beside live connections, and granted.
type asked struct {
	searchedFrom, searchedTo         time.Time
	recoveredFrom                    time.Time
	recoveries, pages, rules, others int
}

func askedFor(x *fakeX) (a asked) {
	x.Helper()
	for _, c := range x.Connections().Connects {
		if c.Status != 200 || c.StartTime.IsZero() {
			continue
		}
		a.recoveries++
		if a.recoveredFrom.IsZero() || c.StartTime.Before(a.recoveredFrom) {
			a.recoveredFrom = c.StartTime
		}
	}
	for _, r := range x.Requests() {
		switch {
		case strings.HasSuffix(r.Path, "/rules"):
			a.rules++
		case !strings.HasSuffix(r.Path, "/search/recent") || r.Status != 200:
			a.others++
		default:
			a.pages++
			start, err := time.Parse(time.RFC3339, r.Query.Get("start_time"))
			end, err2 := time.Parse(time.RFC3339, r.Query.Get("end_time"))
			if err := errors.Join(err, err2); err != nil {
				x.Fatal(err)
			}
			if a.searchedFrom.IsZero() || start.Before(a.searchedFrom) {
				a.searchedFrom = start
			}
			if end.After(a.searchedTo) {
				a.searchedTo = end
			}
		}
	}
	return a
}

// sources count the lines of an output by where they came from.
func sources(p *process) map[string]int {
	p.Helper()
	count := map[string]int{}
	p.eachLine(func(_ uint64, line []byte) {
		var event struct {
			Source string `json:"source"`
		}
		if err := json.Unmarshal(line, &event); err != nil {
			p.Fatal(err)
		}
		count[event.Source]++
	})
	return count
}
