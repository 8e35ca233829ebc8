package simulator

import (
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFaultsOfOpenConnections(t *testing.T) {
	const at = 10 * time.Second
	for _, test := range []struct {
		fault Fault
		path  string
		check func(w *world, r *reading)
	}{
		{Fault{Kind: CleanEnd}, filtered, func(w *world, r *reading) {
			if r.end != io.EOF || !strings.HasSuffix(r.lines[len(r.lines)-1], "}\r\n") {
				w.Errorf("end %v", r.end)
			}
		}},
		{Fault{Kind: CleanEnd}, filtered + " gzip", func(w *world, r *reading) {
			if r.end != io.EOF {
				w.Errorf("end %v", r.end)
			}
		}},
		{Fault{Kind: Reset}, filtered, func(w *world, r *reading) {
			if !errors.Is(r.end, syscall.ECONNRESET) {
				w.Errorf("end %v", r.end)
			}
		}},
		{Fault{Kind: Cut}, filtered, func(w *world, r *reading) {
			if r.end != io.ErrUnexpectedEOF {
				w.Errorf("end %v", r.end)
			}
		}},
		{Fault{Kind: CutLine}, filtered, func(w *world, r *reading) {
			if r.end != errHalfLine {
				w.Errorf("end %v", r.end)
			}
		}},
		{Fault{Kind: CutLine}, filtered + " gzip", func(w *world, r *reading) {
			if r.end != errHalfLine {
				w.Errorf("end %v", r.end)
			}
		}},
		{Fault{Kind: Stall, For: 30 * time.Second}, filtered, func(w *world, r *reading) {
			if gap := longest(r.arrived); gap < 30*time.Second || gap > 31*time.Second {
				w.Errorf("silent for %v", gap)
			}
			if len(r.ids()) < 500 {
				w.Errorf("%d Posts", len(r.ids()))
			}
		}},
		{Fault{Kind: Stall}, filtered, func(w *world, r *reading) {
			if last := r.arrived[len(r.arrived)-1]; time.Since(last) < 45*time.Second {
				w.Errorf("the last byte came %v ago", time.Since(last))
			}
		}},
		{Fault{Kind: OperationalDisconnect}, filtered, func(w *world, r *reading) {
			if last := r.lines[len(r.lines)-1]; r.end != io.EOF || !strings.HasPrefix(last, `{"errors":[{"title":"operational-disconnect"`) ||
				!strings.Contains(last, `"disconnect_type":"UpstreamOperationalDisconnect"`) {
				w.Errorf("end %v after %s", r.end, last)
			}
		}},
		{Fault{Kind: Garbage}, filtered, func(w *world, r *reading) {
			if n := len(r.lines) - len(r.ids()); n != 1 {
				w.Errorf("%d lines are no Posts", n)
			}
		}},
		{Fault{Kind: Oversized}, filtered, func(w *world, r *reading) {
			if n := biggest(r.lines); n != 5<<20 {
				w.Errorf("the longest line has %d bytes", n)
			}
		}},
		{Fault{Kind: Oversized, Bytes: 100_000}, filtered + " gzip", func(w *world, r *reading) {
			if n := biggest(r.lines); n != 100_000 {
				w.Errorf("the longest line has %d bytes", n)
			}
		}},
		{Fault{Kind: Trickle, For: 20 * time.Second, Rate: 50}, filtered, func(w *world, r *reading) {
			// 1,000 bytes are less than a Post or two.
			slow := 0
			for _, a := range r.arrived {
				if d := a.Sub(r.arrived[0]); d > at && d < at+19*time.Second {
					slow++
				}
			}
			if slow > 3 || len(r.ids()) < 500 {
				w.Errorf("%d Posts while it trickles, %d in all", slow, len(r.ids()))
			}
		}},
		{Fault{Kind: DamagedGzip}, filtered + " gzip", func(w *world, r *reading) {
			if _, ok := errors.AsType[flate.CorruptInputError](r.end); !ok {
				w.Errorf("end %v", r.end)
			}
		}},
	} {
		t.Run(strings.Fields(test.path)[len(strings.Fields(test.path))-1]+" "+string(test.fault.Kind), func(t *testing.T) {
			inWorld(t, Config{Rate: 10}, func(w *world) {
				r := w.open(test.path)
				opened := w.opened()
				time.AfterFunc(at, func() {
					if h := w.breakNow(test.fault); h.Hits != 1 || h.Note != "" {
						t.Errorf("%+v", h)
					}
				})
				r.read(time.Minute)
				test.check(w, r)
				// Whatever broke: what came before it is right, and once.
				got := r.ids()
				if test.fault.Kind == Oversized {
					got = slices.DeleteFunc(got, func(id uint64) bool { return id&(1<<22-1) == 1<<22-1 })
				}
				if want := w.expected("filtered", 0, opened, time.Now()); len(got) < 90 || !slices.Equal(got, want[:len(got)]) {
					t.Errorf("%d Posts are not what is expected", len(got))
				}
				if list := w.sim.Faults(); len(list) != 1 || list[0].Hits != 1 || !list[0].At.Equal(opened.Add(at)) {
					t.Errorf("record %+v", list)
				}
			})
		})
	}
}

func longest(times []time.Time) (gap time.Duration) {
	for i := 1; i < len(times); i++ {
		gap = max(gap, times[i].Sub(times[i-1]))
	}
	return gap
}

func biggest(lines []string) (n int) {
	for _, l := range lines {
		n = max(n, len(l))
	}
	return n
}

func TestFaultsOfConnects(t *testing.T) {
	for _, test := range []struct {
		fault  Fault
		status int
		want   string
	}{
		{Fault{Kind: Unauthorized401}, 401, "Unauthorized"},
		{Fault{Kind: Forbidden403}, 403, "client-forbidden"},
		{Fault{Kind: NoRules409}, 409, "RuleConfigurationIssue"},
		{Fault{Kind: RateLimited}, 429, "about:blank"},
		{Fault{Kind: TooManyConnections}, 429, "TooManyConnections"},
		{Fault{Kind: UsageCapped}, 429, "usage-capped"},
		{Fault{Kind: InternalError500}, 500, "Internal Server Error"},
		{Fault{Kind: Unavailable503}, 503, "Service Unavailable"},
	} {
		t.Run(string(test.fault.Kind), func(t *testing.T) {
			inWorld(t, Config{}, func(w *world) {
				test.fault.Count, test.fault.Stream = 2, "filtered"
				w.breakNow(test.fault)
				w.open(sample).response.Body.Close()
				for range 2 {
					response, err := w.get(filtered)
					if err != nil {
						t.Fatal(err)
					}
					body, _ := io.ReadAll(response.Body)
					response.Body.Close()
					if response.StatusCode != test.status || !strings.Contains(string(body), test.want) {
						t.Errorf("%s %s", response.Status, body)
					}
					if limited := response.Header.Get("x-rate-limit-limit") == ""; limited != (test.fault.Kind == RateLimited) {
						t.Errorf("headers %v", response.Header)
					}
				}
				w.open(filtered).response.Body.Close()
				if h := w.sim.Faults()[0]; h.Hits != 2 {
					t.Errorf("%d hits", h.Hits)
				}
			})
		})
	}
}

func TestRateLimitFaultWithReset(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.breakNow(Fault{Kind: RateLimited, Reset: 90 * time.Second})
		response, _ := w.refusal(filtered)
		unix, _ := strconv.ParseInt(response.Header.Get("x-rate-limit-reset"), 10, 64)
		if wait := time.Until(time.Unix(unix, 0)); wait < 90*time.Second || wait > 91*time.Second || response.Header.Get("x-rate-limit-remaining") != "0" {
			t.Errorf("headers %v", response.Header)
		}
	})
}

func TestRefusedDials(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.breakNow(Fault{Kind: Refuse, For: 10 * time.Second})
		for range 3 {
			time.Sleep(3 * time.Second)
			if _, err := w.get(filtered); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%v", err)
			}
		}
		time.Sleep(2 * time.Second)
		w.open(filtered).response.Body.Close()
		if c := w.sim.Connections(); c.Total != 1 {
			t.Errorf("%d requests came through", c.Total)
		}
		if h := w.sim.Faults()[0]; h.Hits != 3 {
			t.Errorf("%d hits", h.Hits)
		}
	})
}

func TestHeaderDelay(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.breakNow(Fault{Kind: HeaderDelay, Delay: 12 * time.Second})
		begin := time.Now()
		w.open(filtered).response.Body.Close()
		if d := time.Since(begin); d < 12*time.Second || d > 13*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestHang(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.breakNow(Fault{Kind: Hang, Count: 2})
		w.http.Timeout = 5 * time.Minute
		begin := time.Now()
		if _, err := w.get(filtered); err == nil || time.Since(begin) != w.http.Timeout {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		w.http.Timeout = 0
		go w.get(filtered) // hangs until the simulator ends
		time.Sleep(time.Minute)
	})
}

func TestAcceptThenClose(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		for _, path := range []string{filtered, filtered + " gzip"} {
			w.breakNow(Fault{Kind: AcceptThenClose})
			r := w.open(path)
			if n, err := io.Copy(io.Discard, r.response.Body); n != 0 || err != nil || !r.response.Close {
				t.Errorf("%d bytes, %v", n, err)
			}
		}
	})
}

func TestFaultsChooseTheirConnections(t *testing.T) {
	inWorld(t, Config{Account: Account{Connections: Unlimited}}, func(w *world) {
		for _, path := range []string{filtered, firehose + "?partition=1", firehose + "?partition=2", firehose + "?partition=2"} {
			r := w.open(path)
			defer r.response.Body.Close()
			time.Sleep(time.Second)
		}
		for _, test := range []struct {
			fault Fault
			hits  int
		}{
			{Fault{Kind: Garbage}, 4},
			{Fault{Kind: Garbage, Stream: "firehose"}, 3},
			{Fault{Kind: Garbage, Stream: "firehose", Partition: 2}, 2},
			{Fault{Kind: Garbage, Stream: "firehose", Partition: 2, Count: 1}, 1},
			{Fault{Kind: Garbage, Stream: "sample"}, 0},
			{Fault{Kind: DamagedGzip}, 0},
		} {
			h := w.breakNow(test.fault)
			if h.Hits != test.hits || (h.Note == "") != (test.hits > 0) {
				t.Errorf("%+v", h)
			}
			time.Sleep(time.Second)
		}
		if note := w.sim.Faults()[5].Note; note != "no compressed connection was open" {
			t.Error(note)
		}
	})
}

func TestScript(t *testing.T) {
	list, err := ParseFaults([]byte(`[
		{"at": "10s", "kind": "clean_end"},
		{"at": "20s", "kind": "503", "count": 2},
		{"at": "20s", "kind": "reset"}
	]`))
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t, Config{Faults: slices.Values(list)}, func(w *world) {
		w.open(filtered).read(time.Minute)
		if d := time.Since(w.sim.started); d != 10*time.Second {
			t.Errorf("clean end after %v", d)
		}
		w.open(filtered).read(time.Minute)
		if d := time.Since(w.sim.started); d != 20*time.Second {
			t.Errorf("reset after %v", d)
		}
		for range 2 {
			if response, _ := w.refusal(filtered); response.StatusCode != http.StatusServiceUnavailable {
				t.Error(response.Status)
			}
		}
		w.open(filtered).response.Body.Close()
	})
}

func TestBadScripts(t *testing.T) {
	for _, script := range []string{
		``, `{}`, `[{"kind":"nonsense"}]`, `[{"at":"10s"}]`, `[{"at":10,"kind":"reset"}]`, `[{"at":"10","kind":"reset"}]`,
		`[{"kind":"reset","nonsense":1}]`, `[{"kind":"reset","stream":"nonsense"}]`, `[{"kind":"reset","count":-1}]`,
		`[{"kind":"stall","for":"-1s"}]`, `[{"kind":"refuse","stream":"filtered"}]`, `[{"kind":"oversized","bytes":1000000000}]`, `[{"kind":"trickle","rate":1000000000}]`,
		`[{"kind":"reset","target":"nonsense"}]`, `[{"kind":"reset","target":"search"}]`, `[{"kind":"503","target":"search","stream":"filtered"}]`,
		`[{"kind":"refuse","target":"live"}]`, `[{"kind":"503","after_posts":1}]`, `[{"kind":"reset","after_posts":-1}]`,
		`[{"at":"2s","kind":"reset"},{"at":"1s","kind":"reset"}]`,
	} {
		if _, err := ParseFaults([]byte(script)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add([]byte(`[{"at":"1m","kind":"stall","for":"30s","stream":"firehose","partition":2,"target":"recovery","count":1,"after_posts":7}]`))
	f.Fuzz(func(t *testing.T, script []byte) {
		list, err := ParseFaults(script)
		if err != nil {
			return
		}
		for _, fault := range list {
			b, err := fault.MarshalJSON()
			var again Fault
			if err == nil {
				err = again.UnmarshalJSON(b)
			}
			if err != nil || again != fault {
				t.Fatalf("%+v becomes %s, then %+v, %v", fault, b, again, err)
			}
		}
	})
}

func TestRandomFaultsAreTheSeeds(t *testing.T) {
	first := func(seq iter.Seq[Fault]) (list []string) {
		for f := range seq {
			if err := f.validate(); err != nil {
				t.Fatal(err)
			}
			if list = append(list, fmt.Sprint(f)); len(list) == 500 {
				return list
			}
		}
		return list
	}
	a := first(RandomFaults(1, time.Minute))
	if !slices.Equal(a, first(RandomFaults(1, time.Minute))) || slices.Equal(a, first(RandomFaults(2, time.Minute))) {
		t.Error("the faults do not follow from the seed")
	}
	for _, kind := range slices.Concat(openKinds, connectKinds) {
		if found := strings.Contains(strings.Join(a, "\n"), " "+string(kind)+" "); found != (kind != UsageCapped) {
			t.Errorf("%s drawn: %v", kind, found)
		}
	}
}

// TestRandomFaultsLoseNothing reads through every kind of failure with the
// simplest client that can: it opens again with five minutes of backfill.
func TestRandomFaultsLoseNothing(t *testing.T) {
	inWorld(t, Config{Rate: 5, Faults: RandomFaults(3, 20*time.Second), Account: Account{Connects: Unlimited}}, func(w *world) {
		w.http.Transport.(*http.Transport).ResponseHeaderTimeout = 10 * time.Second
		got := map[uint64]bool{}
		end := w.sim.started.Add(time.Hour)
		for time.Now().Before(end) {
			response, err := w.get(filtered + "?backfill_minutes=5")
			if err != nil || response.StatusCode != http.StatusOK {
				if err == nil {
					response.Body.Close()
				}
				time.Sleep(5 * time.Second)
				continue
			}
			r := &reading{response: response, body: response.Body}
			r.read(2 * time.Minute)
			for _, id := range r.ids() {
				got[id] = true
			}
		}
		missing := 0
		want := w.expected("filtered", 0, w.sim.started.Add(30*time.Second), end.Add(-2*time.Minute))
		for _, id := range want {
			if !got[id] {
				missing++
			}
		}
		if missing > 0 {
			t.Errorf("%d of %d Posts are missing", missing, len(want))
		}
		kinds := map[Kind]int{}
		for _, h := range w.sim.Faults() {
			kinds[h.Fault.Kind] += h.Hits
		}
		t.Logf("%d Posts; hits %v; ends %v", len(want), kinds, w.sim.Connections().Ended)
	})
}
