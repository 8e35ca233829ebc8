package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestLiveIsWhatIsExpected(t *testing.T) {
	for _, test := range []struct {
		stream, path string
		partition    int
		rate         float64
	}{
		{"filtered", filtered, 0, 50},
		{"filtered", filtered + " gzip", 0, 50},
		{"sample", sample, 0, 2000},
		{"sample10", "/2/tweets/sample10/stream?partition=2", 2, 500},
		{"firehose", firehose + "?partition=20", 20, 500},
		{"firehose_ja", "/2/tweets/firehose/stream/lang/ja?partition=1", 1, 200},
	} {
		t.Run(test.stream, func(t *testing.T) {
			inWorld(t, Config{Rate: test.rate}, func(w *world) {
				r := w.open(test.path)
				opened := w.opened()
				r.read(time.Minute)
				if r.end == io.EOF || len(r.ids()) < 200 {
					t.Errorf("%d Posts, then %v", len(r.ids()), r.end)
				}
				w.has(r.ids(), test.stream, test.partition, opened, time.Now())
				for _, text := range r.lines {
					if !strings.HasSuffix(text, "\r\n") || text != "\r\n" && !json.Valid([]byte(text)) {
						t.Fatalf("line %q", text)
					}
				}
			})
		})
	}
}

func TestPostsArriveWhenDelivered(t *testing.T) {
	inWorld(t, Config{Rate: 1}, func(w *world) {
		r := w.open(filtered)
		opened := w.opened()
		r.read(5 * time.Minute)
		c := w.sim.history.deliveries(opened.UnixNano(), nil)
		for i, at := range r.arrived {
			if r.lines[i] == "\r\n" {
				continue
			}
			p, _ := c.next(1<<63 - 1)
			if delay := at.Sub(time.Unix(0, p.delivered)); delay < 0 || delay > tick {
				t.Fatalf("a Post arrives %v after its delivery", delay)
			}
		}
	})
}

func TestMatchingRules(t *testing.T) {
	inWorld(t, Config{Rate: 100, Rules: []Rule{{Value: "coffee OR planet", Tag: "one \"tag\""}, {Value: "planet"}, {Value: "nobody"}}}, func(w *world) {
		r := w.open(filtered)
		opened := w.opened()
		r.read(time.Minute)
		w.has(r.ids(), "filtered", 0, opened, time.Now())
		both := 0
		for _, text := range r.lines {
			if text == "\r\n" {
				continue
			}
			l := decode(t, []byte(text))
			want := []string{"one \"tag\""}
			if strings.Contains(l.Data.Text, "planet") {
				want = append(want, "")
				both++
			}
			var got []string
			for _, m := range l.MatchingRules {
				got = append(got, m.Tag)
				if m.ID == "" {
					t.Fatalf("a rule without ID in %s", text)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("matching rules %q, want %q for %q", got, want, l.Data.Text)
			}
		}
		if both == 0 {
			t.Error("no Post matched two rules")
		}
	})
}

func TestHeartbeats(t *testing.T) {
	inWorld(t, Config{Rate: 1e-6}, func(w *world) {
		r := w.open(filtered).read(101 * time.Second)
		if len(r.lines) != 5 || slices.ContainsFunc(r.lines, func(l string) bool { return l != "\r\n" }) {
			t.Fatalf("lines %q", r.lines)
		}
		for i := 1; i < len(r.arrived); i++ {
			if d := r.arrived[i].Sub(r.arrived[i-1]); d != heartbeat {
				t.Errorf("%v between heartbeats", d)
			}
		}
	})
}

func TestBackfillRepeatsThePeriod(t *testing.T) {
	for _, byCreation := range []bool{false, true} {
		inWorld(t, Config{Rate: 30, BackfillByCreation: byCreation}, func(w *world) {
			time.Sleep(10 * time.Minute)
			r := w.open(filtered + "?backfill_minutes=2")
			opened := w.opened()
			r.read(time.Minute)
			from := opened.Add(-2 * time.Minute)
			if !byCreation {
				w.has(r.ids(), "filtered", 0, from, time.Now())
				return
			}
			got, all := r.ids(), w.expected("filtered", 0, from, time.Now())
			oldest := uint64(from.UnixMilli()-snowflakeEpoch) << 22
			want := slices.DeleteFunc(slices.Clone(all), func(id uint64) bool { return id < oldest })
			if !slices.Equal(got, want[:len(got)]) || len(want)-len(got) > 5 {
				t.Errorf("got %d Posts, want %d", len(got), len(want))
			}
			if len(all) == len(want) {
				t.Error("both readings of backfill are the same")
			}
		})
	}
}

func TestBackfillIsPacedByTheClient(t *testing.T) {
	// Five minutes are some 17 MB: far more than the buffers hold.
	for _, interleave := range []bool{false, true} {
		inWorld(t, Config{Rate: 30, SendBuffer: 256 << 10, SocketBuffer: 16 << 10, InterleaveBackfill: interleave}, func(w *world) {
			r := w.open(filtered + "?backfill_minutes=5")
			opened := w.opened()
			r.body = &slowly{from: r.body, bytes: 32 << 10, every: 50 * time.Millisecond}
			r.read(3 * time.Minute)
			got := r.ids()
			backlog := w.expected("filtered", 0, opened.Add(-5*time.Minute), opened)
			mixed := !slices.Equal(got[:len(backlog)], backlog)
			if mixed != interleave {
				t.Errorf("interleave %v, but live Posts come in between: %v", interleave, mixed)
			}
			want := w.expected("filtered", 0, opened.Add(-5*time.Minute), time.Now())
			slices.Sort(got)
			slices.Sort(want)
			if missing := len(want) - len(slices.Compact(slices.Clone(got))); missing > 50 || len(got) != len(slices.Compact(got)) {
				t.Errorf("interleave %v: %d of %d Posts, then %v", interleave, len(got), len(want), r.end)
			}
		})
	}
}

// slowly reads so many bytes at a time and then rests.
type slowly struct {
	from  io.Reader
	bytes int
	every time.Duration
}

func (s *slowly) Read(b []byte) (int, error) {
	time.Sleep(s.every)
	return io.ReadFull(s.from, b[:min(len(b), s.bytes)])
}

func TestSlowClientIsCutOffAndLosesWhatWaited(t *testing.T) {
	for overflow, want := range map[Overflow]error{OverflowReset: syscall.ECONNRESET, OverflowEnd: io.ErrUnexpectedEOF} {
		inWorld(t, Config{Rate: 100, SendBuffer: 64 << 10, SocketBuffer: 32 << 10, Overflow: overflow, Account: Account{Connections: 1}}, func(w *world) {
			r := w.open(filtered)
			opened := w.opened()
			time.Sleep(10 * time.Second) // 2 MB are delivered meanwhile
			r.read(time.Minute)
			if !errors.Is(r.end, want) {
				t.Errorf("overflow %s: the client sees %v", overflow, r.end)
			}
			got := r.ids()
			if overflow == OverflowReset && len(got) > 0 && len(got) > 200 || len(got) > 100 {
				t.Errorf("overflow %s: %d Posts of %d arrived", overflow, len(got), len(w.expected("filtered", 0, opened, time.Now())))
			}
			if ended := w.sim.Connections().Ended; ended["overflow"] != 1 {
				t.Errorf("ends: %v", ended)
			}
			// What was thrown away can be repeated.
			again := w.open(filtered + "?backfill_minutes=1").read(10 * time.Second).ids()
			for _, id := range w.expected("filtered", 0, opened, opened.Add(10*time.Second)) {
				if !slices.Contains(again, id) {
					t.Fatalf("Post %d is gone for good", id)
				}
			}
		})
	}
}

func TestOverflowMayGoUnnoticed(t *testing.T) {
	inWorld(t, Config{Rate: 100, SendBuffer: 64 << 10, SocketBuffer: 32 << 10, Overflow: OverflowSilent, Account: Account{Connections: 1}}, func(w *world) {
		r := w.open(filtered)
		time.Sleep(10 * time.Second)
		w.open(filtered).response.Body.Close() // the slot is free
		begin := time.Now()
		r.read(time.Minute)
		if n := len(r.ids()); n > 100 || time.Since(begin) != time.Minute {
			t.Errorf("%d Posts; after %v the client saw %v", n, time.Since(begin), r.end)
		}
	})
}

func TestBacklogDoesNotWaitForADeadClient(t *testing.T) {
	inWorld(t, Config{Rate: 100, SocketBuffer: 32 << 10}, func(w *world) {
		w.open(filtered + "?backfill_minutes=5")
		w.opened()
		time.Sleep(time.Minute) // the client reads nothing
		if c := w.sim.Connections(); len(c.Open) != 0 || c.Ended["overflow"] != 1 {
			t.Errorf("open: %+v, ended: %v", c.Open, c.Ended)
		}
	})
}

func TestConnectionsOfAStreamCarryTheSameBytes(t *testing.T) {
	inWorld(t, Config{Rate: 100}, func(w *world) {
		a, b := w.open(filtered), w.open(filtered)
		done := make(chan *reading)
		go func() { done <- a.read(time.Minute) }()
		b.read(time.Minute)
		<-done
		if n := min(len(a.lines), len(b.lines)); n < 5000 || !slices.Equal(a.lines[:n], b.lines[:n]) {
			t.Errorf("%d and %d lines, not the same", len(a.lines), len(b.lines))
		}
	})
}

func TestOneSeedServesTheSameBytes(t *testing.T) {
	var runs [3][]string
	for i, seed := range []uint64{1, 1, 2} {
		inWorld(t, Config{Seed: seed, Rate: 20}, func(w *world) {
			runs[i] = w.open(filtered + "?backfill_minutes=1").read(time.Minute).lines
		})
	}
	if !slices.Equal(runs[0], runs[1]) || slices.Equal(runs[0], runs[2]) || len(runs[0]) < 2000 {
		t.Errorf("%d, %d and %d lines", len(runs[0]), len(runs[1]), len(runs[2]))
	}
}

func TestRulesChangeWhileStreaming(t *testing.T) {
	inWorld(t, Config{Rate: 100, Rules: []Rule{{Value: "coffee"}}, RuleDelay: 7 * time.Second}, func(w *world) {
		r := w.open(filtered)
		opened := w.opened()
		change := func(body string, want int) {
			request, _ := http.NewRequest(http.MethodPost, "http://simulator/2/tweets/search/stream/rules", strings.NewReader(body))
			request.Header.Set("Authorization", "Bearer simulator")
			response, err := w.http.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%s: %s", body, response.Status)
			}
		}
		go func() {
			time.Sleep(time.Minute)
			change(`{"add":[{"value":"planet","tag":"p"}]}`, http.StatusCreated)
			time.Sleep(time.Minute)
			change(`{"delete":{"values":["coffee","planet"]}}`, http.StatusOK)
		}()
		r.read(4 * time.Minute)
		w.has(r.ids(), "filtered", 0, opened, opened.Add(2*time.Minute+7*time.Second))
		before := len(w.expected("filtered", 0, opened, opened.Add(67*time.Second)))
		after := len(w.expected("filtered", 0, opened.Add(67*time.Second), opened.Add(127*time.Second)))
		if rest := w.expected("filtered", 0, opened.Add(2*time.Minute+8*time.Second), time.Now()); len(rest) != 0 || after < before*3/2 {
			t.Errorf("%d Posts with one rule, %d with two, %d with none", before, after, len(rest))
		}
	})
}

func TestADayIsQuick(t *testing.T) {
	begin := time.Now()
	inWorld(t, Config{Rate: 1.0 / 60}, func(w *world) {
		day := w.sim.started.Add(24 * time.Hour)
		var got []uint64
		reconnects := 0
		for ; time.Now().Before(day); reconnects++ {
			r := w.open(filtered + "?backfill_minutes=1")
			time.AfterFunc(17*time.Minute, func() { w.sim.Break(Fault{Kind: Kind([]Kind{CleanEnd, Reset, Cut}[reconnects%3])}) })
			r.read(time.Hour)
			got = append(got, r.ids()...)
		}
		slices.Sort(got)
		got = slices.Compact(got)
		for _, id := range w.expected("filtered", 0, w.sim.started, day) {
			if _, ok := slices.BinarySearch(got, id); !ok {
				t.Errorf("Post %d is missing", id)
			}
		}
		t.Logf("%d Posts, %d connections, %d requests", len(got), reconnects, w.sim.Connections().Total)
	})
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("a day took %v", d)
	}
}

func TestClientThatLeavesFreesItsConnection(t *testing.T) {
	inWorld(t, Config{Account: Account{Connections: 1}}, func(w *world) {
		w.open(filtered).response.Body.Close()
		synctest.Wait()
		if c := w.sim.Connections(); len(c.Open) != 0 || c.Ended["client_left"] != 1 {
			t.Errorf("open %v, ended %v", c.Open, c.Ended)
		}
		w.open(filtered).response.Body.Close()
	})
}

func TestChunks(t *testing.T) {
	c := newChunks(false)
	if got := c.frame(c.encode([]byte("abc\r\n"))); !bytes.Equal(got, []byte("5\r\nabc\r\n\r\n")) {
		t.Errorf("frame %q", got)
	}
	if got := c.end(); string(got) != lastChunk {
		t.Errorf("end %q", got)
	}
}
