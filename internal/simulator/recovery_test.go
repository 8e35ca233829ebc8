package simulator

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// recovery is the path of a recovery of a stream.
func recovery(path string, from, to time.Time) string {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return path + separator + params("start_time", from.Format(time.RFC3339), "end_time", to.Format(time.RFC3339))[1:]
}

// created returns the Posts of a stream created in [from, to), in order of delivery.
func (w *world) created(stream string, partition int, from, to time.Time) []uint64 {
	w.Helper()
	all := w.expected(stream, partition, from, to.Add(defaultMaxLateness+1))
	return slices.DeleteFunc(all, func(id uint64) bool {
		at := time.UnixMilli(int64(id>>22) + 1288834974657)
		return at.Before(from) || !at.Before(to)
	})
}

func TestRecoveryRepeatsThePeriod(t *testing.T) {
	for _, test := range []struct {
		stream, path string
		partition    int
		rate         float64
	}{
		{"filtered", filtered, 0, 20},
		{"filtered", filtered + "?tweet.fields=id", 0, 20},
		{"sample10", "/2/tweets/sample10/stream?partition=2", 2, 500},
		{"firehose", firehose + "?partition=20", 20, 100},
		{"firehose_ja", "/2/tweets/firehose/stream/lang/ja?partition=1", 1, 100},
	} {
		for _, byCreation := range []bool{false, true} {
			inWorld(t, Config{Rate: test.rate, RecoveryByCreation: byCreation}, func(w *world) {
				from, to := noon.Add(-3*time.Hour), noon.Add(-3*time.Hour+10*time.Minute)
				r := w.open(recovery(test.path, from, to)).read(time.Hour)
				want := w.expected(test.stream, test.partition, from, to)
				created := w.created(test.stream, test.partition, from, to)
				if slices.Equal(want, created) {
					t.Error("both readings of a period are the same")
				}
				if byCreation {
					want = created
				}
				if got := r.ids(); !slices.Equal(got, want) || len(got) < 200 || r.end != io.EOF {
					t.Errorf("%s, by creation %v: %d Posts, want %d; end %v", test.stream, byCreation, len(got), len(want), r.end)
				}
				if ended := w.sim.Connections().Ended; ended["complete"] != 1 {
					t.Errorf("ends: %v", ended)
				}
			})
		}
	}
}

func TestRecoveryCompressed(t *testing.T) {
	inWorld(t, Config{Rate: 20}, func(w *world) {
		from, to := noon.Add(-time.Hour), noon.Add(-50*time.Minute)
		r := w.open(recovery(filtered, from, to) + " gzip").read(time.Hour)
		if got := r.ids(); !slices.Equal(got, w.expected("filtered", 0, from, to)) || r.end != io.EOF {
			t.Errorf("%d Posts, end %v", len(got), r.end)
		}
	})
}

// By creation, the last seconds may not have been delivered yet.
func TestRecoveryUpToNow(t *testing.T) {
	for _, byCreation := range []bool{false, true} {
		inWorld(t, Config{Rate: 100, RecoveryByCreation: byCreation}, func(w *world) {
			from := noon.Add(-time.Minute)
			got := w.open(recovery(filtered, from, noon)).read(time.Hour).ids()
			want := w.expected("filtered", 0, from, noon)
			if byCreation {
				want = slices.DeleteFunc(want, func(id uint64) bool { return createdAt(id).Before(from) })
			}
			if !slices.Equal(got, want) {
				t.Errorf("by creation %v: %d Posts, want %d", byCreation, len(got), len(want))
			}
		})
	}
}

func TestRecoveriesThatXRefuses(t *testing.T) {
	at := func(d time.Duration) string { return noon.Add(d).Format(time.RFC3339) }
	for _, test := range []struct {
		name       string
		account    Account
		rules      []Rule
		start, end string
		more       string
		status     int
		want       string
	}{
		{"24 hours", Account{}, nil, at(-24 * time.Hour), at(-23 * time.Hour), "", 200, ""},
		{"to now", Account{}, nil, at(-time.Minute), at(0), "", 200, ""},
		{"no backfill", Account{}, nil, at(-time.Hour), at(-time.Minute), "&backfill_minutes=0", 200, ""},
		{"too old", Account{}, nil, at(-24*time.Hour - time.Second), at(-23 * time.Hour), "", 400, "'start_time' must be on or after 2026-02-28T12:00:00Z"},
		{"in the future", Account{}, nil, at(-time.Hour), at(time.Second), "", 400, "must not be in the future"},
		{"reversed", Account{}, nil, at(-time.Hour), at(-2 * time.Hour), "", 400, "must be after 'start_time'"},
		{"empty", Account{}, nil, at(-time.Hour), at(-time.Hour), "", 400, "must be after 'start_time'"},
		{"no end", Account{}, nil, at(-time.Hour), "", "", 400, "RFC3339"},
		{"no time", Account{}, nil, "yesterday", at(-time.Hour), "", 400, "RFC3339"},
		{"no seconds", Account{}, nil, "2026-03-01T11:00Z", at(-time.Minute), "", 400, "RFC3339"},
		{"with backfill", Account{}, nil, at(-time.Hour), at(-time.Minute), "&backfill_minutes=5", 400, "in conjunction with"},
		{"denied", Account{Recovery: Denied}, nil, at(-time.Hour), at(-time.Minute), "", 403, "client-forbidden"},
		{"not offered", Account{Recovery: Unoffered}, nil, at(-time.Hour), at(-time.Minute), "", 400, "invalid-request"},
		{"no rules", Account{}, []Rule{}, at(-time.Hour), at(-time.Minute), "", 409, "RuleConfigurationIssue"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, Config{Rate: 1, Account: test.account, Rules: test.rules}, func(w *world) {
				response, err := w.get(filtered + params("start_time", test.start, "end_time", test.end) + test.more)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				body, _ := io.ReadAll(response.Body)
				if response.StatusCode != test.status || !strings.Contains(string(body), test.want) {
					t.Errorf("%s: %.300s", response.Status, body)
				}
			})
		})
	}
	inWorld(t, Config{}, func(w *world) {
		if response, p := w.refusal(filtered + params("start_time", at(-time.Hour))); response.StatusCode != 400 || !strings.Contains(p.Errors[0].Message, "together") {
			t.Errorf("%s %+v", response.Status, p)
		}
	})
}

func TestRecoveryIsOnRecord(t *testing.T) {
	inWorld(t, Config{Rate: 1, ReplaySpeed: 60}, func(w *world) {
		from, to := noon.Add(-2*time.Hour), noon.Add(-time.Hour)
		r := w.open(recovery(firehose+"?partition=7", from, to))
		synctest.Wait()
		var c Connections
		w.control("connections", &c)
		if len(c.Open) != 1 || !c.Open[0].StartTime.Equal(from) || !c.Open[0].EndTime.Equal(to) || c.Open[0].Partition != 7 {
			t.Errorf("open: %+v", c.Open)
		}
		if len(c.Connects) != 1 || !c.Connects[0].StartTime.Equal(from) || !c.Connects[0].EndTime.Equal(to) || c.Connects[0].Status != 200 {
			t.Errorf("connects: %+v", c.Connects)
		}
		r.read(time.Hour)
		w.refusal(recovery(filtered, noon.Add(-48*time.Hour), noon))
		if last := w.sim.Connections().Connects[1]; last.Status != 400 || !last.EndTime.Equal(noon) {
			t.Errorf("a refused one: %+v", last)
		}
	})
}

// concurrently opens streams that stay open and returns the status of the last.
func (w *world) concurrently(paths ...string) int {
	w.Helper()
	status := 0
	for _, path := range paths {
		response, err := w.get(path)
		if err != nil {
			w.Fatal(err)
		}
		defer response.Body.Close()
		status = response.StatusCode
		if status != http.StatusOK {
			var p problem
			body, _ := io.ReadAll(response.Body)
			if err := unmarshalStrict(body, &p); err != nil || p.ConnectionIssue != "TooManyConnections" {
				w.Errorf("%s: %s", response.Status, body)
			}
		}
	}
	return status
}

func TestRecoveryJobs(t *testing.T) {
	job := func(path string) string { return recovery(path, noon.Add(-3*time.Hour), noon.Add(-time.Hour)) }
	one, two, three := job(firehose+"?partition=1"), job(firehose+"?partition=2"), job(firehose+"?partition=3")
	for _, test := range []struct {
		name    string
		account Account
		paths   []string
		status  int
	}{
		{"two", Account{}, []string{one, two}, 200},
		{"three", Account{}, []string{one, two, three}, 429},
		{"three of one partition", Account{}, []string{one, one, one}, 429},
		{"of another stream", Account{}, []string{one, two, job(filtered)}, 200},
		{"live beside two jobs", Account{}, []string{one, two, firehose + "?partition=1"}, 200},
		{"beside all live", Account{Connections: 1}, []string{filtered, job(filtered)}, 200},
		{"more allowed", Account{RecoveryJobs: 3}, []string{one, two, three}, 200},
		{"without limit", Account{RecoveryJobs: Unlimited}, []string{one, one, two, two, three, three}, 200},
		{"two of each partition", Account{RecoveryJobsByPartition: true}, []string{one, one, two, two, three}, 200},
		{"three of one of them", Account{RecoveryJobsByPartition: true}, []string{one, two, one, one}, 429},
		{"jobs take slots of live", Account{RecoveryTakesSlot: true}, []string{filtered, filtered, job(filtered)}, 429},
		{"jobs and live within the slots", Account{RecoveryTakesSlot: true}, []string{filtered, job(filtered)}, 200},
		{"live has no slot beside jobs", Account{RecoveryTakesSlot: true}, []string{job(filtered), job(filtered), filtered}, 429},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, Config{Rate: 1, ReplaySpeed: 1, Account: test.account}, func(w *world) {
				if status := w.concurrently(test.paths...); status != test.status {
					t.Errorf("status %d", status)
				}
			})
		})
	}
}

func TestRecoveryJobIsFreeAgain(t *testing.T) {
	inWorld(t, Config{Rate: 1, ReplaySpeed: 60, Account: Account{RecoveryJobs: 1, SlotHold: 30 * time.Second}}, func(w *world) {
		job := recovery(filtered, noon.Add(-3*time.Hour), noon.Add(-2*time.Hour))
		w.open(job).read(time.Hour) // to its end: X knows at once
		synctest.Wait()
		w.open(job).response.Body.Close()
		synctest.Wait()
		if response, _ := w.refusal(job); response.StatusCode != 429 {
			t.Error("the job of a dead connection is free at once")
		}
		time.Sleep(31 * time.Second)
		w.open(job).response.Body.Close()
	})
}

func TestRecoveryDrawsOnTheConnects(t *testing.T) {
	inWorld(t, Config{Rate: 1, Account: Account{Connects: 2}}, func(w *world) {
		job := recovery(filtered, noon.Add(-3*time.Hour), noon.Add(-2*time.Hour))
		w.open(filtered).response.Body.Close()
		if left := w.open(job).read(time.Hour).response.Header.Get("x-rate-limit-remaining"); left != "0" {
			t.Errorf("%s connects are left", left)
		}
		if response, p := w.refusal(job); response.StatusCode != 429 || p.Type != "about:blank" {
			t.Errorf("%s %+v", response.Status, p)
		}
	})
}

func TestNewConnectionEndsOldOfItsKind(t *testing.T) {
	job := recovery(filtered, noon.Add(-3*time.Hour), noon.Add(-2*time.Hour))
	for _, slot := range []bool{false, true} {
		inWorld(t, Config{Rate: 1, ReplaySpeed: 1, Account: Account{NewConnectionEndsOld: true, RecoveryTakesSlot: slot}}, func(w *world) {
			live, first := w.open(filtered), w.open(job)
			w.open(job).response.Body.Close()
			synctest.Wait()
			w.listed(map[bool]int{false: 1, true: 0}[slot])
			live.response.Body.Close()
			first.response.Body.Close()
		})
	}
}

// listed checks how many connections are open.
func (w *world) listed(n int) {
	w.Helper()
	if open := w.sim.Connections().Open; len(open) != n {
		w.Errorf("%d connections are open, want %d", len(open), n)
	}
}

func TestReplaySpeed(t *testing.T) {
	for _, speed := range []float64{0.5, 1, 7, 100} {
		inWorld(t, Config{Rate: 2, ReplaySpeed: speed}, func(w *world) {
			from, to := noon.Add(-3*time.Hour), noon.Add(-3*time.Hour+10*time.Minute)
			r := w.open(recovery(filtered, from, to))
			opened := w.opened()
			r.read(time.Hour)
			want := w.expected("filtered", 0, from, to)
			if got := r.ids(); !slices.Equal(got, want) || r.end != io.EOF {
				t.Fatalf("speed %v: %d Posts, want %d; end %v", speed, len(got), len(want), r.end)
			}
			if took, due := time.Since(opened), time.Duration(float64(10*time.Minute)/speed); took < due || took > due+tick+pacing {
				t.Errorf("speed %v: %v, want %v", speed, took, due)
			}
			c := w.sim.history.deliveries(from.UnixNano(), nil)
			for i, at := range r.arrived {
				if r.lines[i] == "\r\n" {
					continue
				}
				p, _ := c.next(1<<63 - 1)
				due := opened.Add(time.Duration(float64(p.delivered-from.UnixNano()) / speed))
				if late := at.Sub(due); late < 0 || late > tick+pacing {
					t.Fatalf("speed %v: a Post comes %v after its time", speed, late)
				}
			}
		})
	}
}

func TestQuietRecoveryHasHeartbeats(t *testing.T) {
	inWorld(t, Config{Rate: 1e-6, ReplaySpeed: 10}, func(w *world) {
		r := w.open(recovery(filtered, noon.Add(-2*time.Hour), noon.Add(-time.Hour)))
		opened := w.opened()
		r.read(time.Hour)
		if n := len(r.lines); n != 17 || r.end != io.EOF || time.Since(opened) < 6*time.Minute || time.Since(opened) > 6*time.Minute+tick+pacing {
			t.Errorf("%d lines in %v, then %v", n, time.Since(opened), r.end)
		}
	})
}

func TestHeartbeatsInBetweenARecovery(t *testing.T) {
	inWorld(t, Config{Rate: 100, InterleaveBackfill: true}, func(w *world) {
		from, to := noon.Add(-2*time.Hour), noon.Add(-2*time.Hour+time.Minute)
		r := w.open(recovery(filtered, from, to)).read(time.Hour)
		heartbeats := 0
		for i, l := range r.lines {
			if l == "\r\n" && i > 0 && i < len(r.lines)-1 {
				heartbeats++
			}
		}
		if got := r.ids(); heartbeats < 10 || !slices.Equal(got, w.expected("filtered", 0, from, to)) {
			t.Errorf("%d heartbeats between %d Posts", heartbeats, len(got))
		}
	})
}

func TestRecoveryWaitsForItsClient(t *testing.T) {
	inWorld(t, Config{Rate: 30, SendBuffer: 64 << 10, SocketBuffer: 16 << 10}, func(w *world) {
		from, to := noon.Add(-2*time.Hour), noon.Add(-2*time.Hour+5*time.Minute)
		r := w.open(recovery(filtered, from, to))
		time.Sleep(30 * time.Minute) // the client reads nothing
		r.body = &slowly{from: r.body, bytes: 8 << 10, every: time.Second}
		r.read(2 * time.Hour)
		if got := r.ids(); !slices.Equal(got, w.expected("filtered", 0, from, to)) || len(got) < 5000 || r.end != io.EOF && r.end != io.ErrUnexpectedEOF {
			t.Errorf("%d Posts, then %v", len(got), r.end)
		}
	})
}

func TestFaultsOfRecoveries(t *testing.T) {
	for kind, check := range map[Kind]func(error) bool{
		CleanEnd:              func(err error) bool { return err == io.EOF },
		Reset:                 func(err error) bool { return errors.Is(err, syscall.ECONNRESET) },
		Cut:                   func(err error) bool { return err == io.ErrUnexpectedEOF },
		CutLine:               func(err error) bool { return err == errHalfLine },
		OperationalDisconnect: func(err error) bool { return err == io.EOF },
		Stall:                 func(err error) bool { return err == io.EOF },
		Trickle:               func(err error) bool { return err == io.EOF },
		Garbage:               func(err error) bool { return err == io.EOF },
	} {
		for _, f := range []Fault{{Kind: kind, For: time.Minute}, {Kind: kind, For: time.Minute, AfterPosts: 150}} {
			t.Run(string(kind)+" "+strconv.Itoa(f.AfterPosts), func(t *testing.T) {
				inWorld(t, Config{Rate: 2, ReplaySpeed: 10}, func(w *world) {
					if f.AfterPosts > 0 {
						w.breakNow(f)
					} else {
						time.AfterFunc(10*time.Second, func() { w.breakNow(f) })
					}
					from, to := noon.Add(-2*time.Hour), noon.Add(-2*time.Hour+10*time.Minute)
					r := w.open(recovery(filtered, from, to)).read(time.Hour)
					goesOn := kind == Stall || kind == Trickle || kind == Garbage
					got, want := r.ids(), w.expected("filtered", 0, from, to)
					if !check(r.end) || len(got) < 100 || !slices.Equal(got, want[:len(got)]) || (len(got) == len(want)) != goesOn {
						t.Errorf("%d Posts of %d, then %v", len(got), len(want), r.end)
					}
					// A reset throws away what is on its way.
					if f.AfterPosts > 0 && !goesOn && (len(got) > f.AfterPosts || len(got) < f.AfterPosts && kind != Reset) {
						t.Errorf("%d Posts before the end, want %d", len(got), f.AfterPosts)
					}
					if h := w.sim.Faults()[0]; h.Hits != 1 {
						t.Errorf("%+v", h)
					}
				})
			})
		}
	}
}

func TestFaultAfterPostsEndsAFastRecovery(t *testing.T) {
	inWorld(t, Config{Rate: 5}, func(w *world) {
		from, to := noon.Add(-2*time.Hour), noon.Add(-time.Hour)
		want := []int{1, 777, 777, 778, len(w.expected("filtered", 0, from, to))}
		w.breakNow(Fault{Kind: CleanEnd, Target: Recovery, AfterPosts: 1})
		w.breakNow(Fault{Kind: CleanEnd, Target: Recovery, AfterPosts: 777, Count: 2})
		w.breakNow(Fault{Kind: CleanEnd, Target: Recovery, AfterPosts: 778})
		live := w.open(filtered + "?backfill_minutes=5")
		for _, n := range want {
			r := w.open(recovery(filtered, from, to)).read(time.Hour)
			if got := len(r.ids()); r.end != io.EOF || n != got {
				t.Errorf("%d Posts, want %d; end %v", got, n, r.end)
			}
		}
		if got := live.read(10 * time.Second).ids(); len(got) < 1400 {
			t.Errorf("live was hit: %d Posts", len(got))
		}
		if hits := w.sim.Faults()[1].Hits; hits != 2 {
			t.Errorf("%d hits", hits)
		}
	})
}

func TestFaultAfterPostsHitsAConnectionOnce(t *testing.T) {
	inWorld(t, Config{Rate: 10}, func(w *world) {
		w.breakNow(Fault{Kind: Garbage, AfterPosts: 50, Count: 2})
		for hits := 1; hits <= 2; hits++ {
			r := w.open(filtered).read(time.Minute)
			if n := w.sim.Faults()[0].Hits; n != hits || !strings.Contains(r.lines[50], "<html>") || len(r.lines)-len(r.ids()) != 1 {
				t.Errorf("%d hits on %d connections", n, hits)
			}
		}
	})
}

func TestFaultsAimAtRecoveriesOrLive(t *testing.T) {
	inWorld(t, Config{Rate: 1, ReplaySpeed: 1}, func(w *world) {
		job := recovery(filtered, noon.Add(-2*time.Hour), noon.Add(-time.Hour))
		for _, path := range []string{filtered, filtered, job} {
			defer w.open(path).response.Body.Close()
		}
		synctest.Wait()
		for target, hits := range map[Target]int{"": 3, Live: 2, Recovery: 1} {
			if h := w.breakNow(Fault{Kind: Garbage, Target: target}); h.Hits != hits {
				t.Errorf("target %q: %+v", target, h)
			}
		}
		w.breakNow(Fault{Kind: Unavailable503, Target: Recovery})
		w.open(sample).response.Body.Close()
		if response, _ := w.refusal(job); response.StatusCode != 503 {
			t.Error(response.Status)
		}
		w.breakNow(Fault{Kind: Unavailable503, Target: Live})
		w.open(job).response.Body.Close()
		if response, _ := w.refusal(sample); response.StatusCode != 503 {
			t.Error(response.Status)
		}
	})
}

// Three hours of twenty partitions, two at a time, and a whole day.
func TestLongRecoveriesAreWhole(t *testing.T) {
	inWorld(t, Config{Rate: 5, Account: Account{Connects: Unlimited}}, func(w *world) {
		from, to := noon.Add(-4*time.Hour), noon.Add(-time.Hour)
		var got []uint64
		for partition := 1; partition <= 20; partition++ {
			r := w.open(recovery(firehose+"?partition="+strconv.Itoa(partition), from, to)).read(time.Hour)
			got = append(got, r.ids()...)
		}
		want := w.expected("firehose", 0, from, to)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d Posts, want %d", len(got), len(want))
		}
	})
	inWorld(t, Config{Rate: 2}, func(w *world) {
		r := w.open(recovery(filtered, noon.Add(-24*time.Hour), noon)).read(time.Hour)
		if got := len(r.ids()); got != len(w.expected("filtered", 0, noon.Add(-24*time.Hour), noon)) {
			t.Errorf("%d Posts", got)
		}
	})
	inWorld(t, Config{Rate: 100, Rules: []Rule{{Value: "nobody"}}}, func(w *world) {
		r := w.open(recovery(filtered, noon.Add(-3*time.Hour), noon)).read(time.Hour)
		if took := time.Since(noon); len(r.lines) != 0 || r.end != io.EOF || took != 0 {
			t.Errorf("%d lines, end %v after %v", len(r.lines), r.end, took)
		}
	})
}
