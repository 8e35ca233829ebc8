package plugin

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// rights are what an account may use to get what it missed.
type rights struct{ backfill, recovery, search simulator.Access }

func (r rights) account() simulator.Account {
	return simulator.Account{Backfill: r.backfill, Recovery: r.recovery, SearchRecent: r.search, SearchAll: simulator.Denied}
}

// asked is what X was asked for beside live connections.
type asked struct{ backfills, recoveries, searches int }

// asked counts the requests that X granted, or refused.
func (w *world) asked(granted bool) (n asked) {
	for _, c := range w.connects() {
		switch {
		case (c.Status == 200) != granted:
		case !c.StartTime.IsZero():
			n.recoveries++
		case c.BackfillMinutes > 0:
			n.backfills++
		}
	}
	for _, r := range w.sim.Requests() {
		if strings.Contains(r.Path, "/search/recent") && (r.Status == 200) == granted {
			n.searches++
		}
	}
	return n
}

// repairedButWhatIsLost fails the test if a Post that was delivered between two
// moments is missing without being in a recorded loss, or in a period that was
// searched and where the search does not find it.
func (w *world) repairedButWhatIsLost(from, to time.Time) (missing int) {
	w.Helper()
	excused := map[string]bool{}
	for _, p := range w.lost() {
		for _, id := range w.published(p[0], p[1]) {
			excused[id] = true
		}
	}
	findable := map[string]bool{}
	for _, r := range w.sim.Requests() {
		if !strings.Contains(r.Path, "/search/recent") || r.Status != 200 {
			continue
		}
		start, _ := time.Parse(time.RFC3339, r.Query.Get("start_time"))
		end, _ := time.Parse(time.RFC3339, r.Query.Get("end_time"))
		ids, err := w.sim.ExpectedSearch("recent", r.Query.Get("query"), start, end)
		if err != nil {
			w.Fatal(err)
		}
		for id := range ids {
			findable[strconv.FormatUint(id, 10)] = true
		}
	}
	for _, r := range w.sim.Requests() {
		if !strings.Contains(r.Path, "/search/recent") || r.Status != 200 {
			continue
		}
		start, _ := time.Parse(time.RFC3339, r.Query.Get("start_time"))
		end, _ := time.Parse(time.RFC3339, r.Query.Get("end_time"))
		for _, id := range w.published(start.Add(-time.Minute), end.Add(time.Minute)) {
			if !findable[id] {
				excused[id] = true
			}
		}
	}
	have := w.sink.ids()
	for _, id := range w.expected(from, to) {
		if have[id] > 0 {
			continue
		}
		missing++
		if !excused[id] {
			w.Errorf("Post %s is missing, in no recorded loss, and a search finds it or none was made", id)
			break
		}
	}
	if w.Failed() {
		w.Logf("log:\n%s", w.log.String())
	}
	return missing
}

// Outages of any length, with each access: the methods are those that reach as
// far back as each part of the gap, and what is lost is what none of them can
// fetch.
func TestOutagesOfAnyLengthWithAnyAccess(t *testing.T) {
	all := rights{}
	noBackfill := rights{backfill: simulator.Denied}
	noRecovery := rights{recovery: simulator.Denied}
	noSearch := rights{search: simulator.Denied}
	selfServe := rights{backfill: simulator.Denied, recovery: simulator.Denied}
	none := rights{simulator.Denied, simulator.Unoffered, simulator.Denied}
	for _, c := range []struct {
		what   string
		rights rights
		away   time.Duration
		want   asked // searches: 1 stands for at least one
		lost   time.Duration
	}{
		{"all", all, time.Second, asked{1, 0, 0}, 0},
		{"all", all, 90 * time.Second, asked{1, 0, 0}, 0},
		{"all", all, 4 * time.Minute, asked{1, 0, 0}, 0},
		{"all", all, 10 * time.Minute, asked{1, 1, 0}, 0},
		{"all", all, 3 * time.Hour, asked{1, 2, 0}, 0},
		{"all", all, 30 * time.Hour, asked{1, 12, 1}, 0},
		{"no backfill", noBackfill, time.Second, asked{0, 1, 0}, 0},
		{"no backfill", noBackfill, 10 * time.Minute, asked{0, 1, 0}, 0},
		{"no recovery", noRecovery, 90 * time.Second, asked{1, 0, 0}, 0},
		{"no recovery", noRecovery, 20 * time.Minute, asked{1, 0, 1}, 0},
		{"no search", noSearch, 3 * time.Hour, asked{1, 2, 0}, 0},
		{"no search", noSearch, 30 * time.Hour, asked{1, 12, 0}, 6 * time.Hour},
		{"search alone", selfServe, time.Minute, asked{0, 0, 1}, 0},
		{"search alone", selfServe, 3 * time.Hour, asked{0, 0, 1}, 0},
		{"nothing", none, time.Minute, asked{0, 0, 0}, 90 * time.Second},
	} {
		t.Run(fmt.Sprintf("%s/%s", c.what, c.away), func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{Rate: 0.03, Account: c.rights.account()}, func(w *world) {
				stop := w.pipeline("repair: {search: {max_posts: 0}}", "")
				time.Sleep(10 * time.Minute)
				w.fault(simulator.Fault{Kind: simulator.Refuse, For: c.away})
				w.fault(simulator.Fault{Kind: simulator.Reset})
				time.Sleep(c.away + 30*time.Minute)
				if c.lost > 0 {
					time.Sleep(8 * 24 * time.Hour) // until it is too old for any method
				}
				until := time.Now().Add(-time.Minute)
				stop()
				got := w.asked(true)
				got.searches = min(got.searches, c.want.searches)
				if c.want.searches == 0 {
					got.searches = w.asked(true).searches
				}
				// The confirmation of a quiet window is a request, too.
				if got.recoveries > c.want.recoveries && got.recoveries <= 2*c.want.recoveries {
					got.recoveries = c.want.recoveries
				}
				if got != c.want {
					t.Errorf("asked for %+v, want %+v", got, c.want)
				}
				w.repairedButWhatIsLost(w.began.Add(time.Second), until)
				var lost time.Duration
				for _, p := range w.lost() {
					lost += p[1].Sub(p[0])
				}
				if (lost - c.lost).Abs() > 5*time.Minute {
					t.Errorf("%v are lost, want about %v", lost, c.lost)
				}
				w.noRepeats()
			})
		})
	}
}

// mostJobs watches how many recoveries are open at a time, until it is asked.
func (w *world) mostJobs() (most func() int) {
	ctx, stop := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	n := 0
	watching.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(time.Second) {
			jobs := 0
			for _, c := range w.sim.Connections().Open {
				if !c.StartTime.IsZero() {
					jobs++
				}
			}
			n = max(n, jobs)
		}
	})
	return func() int {
		stop()
		watching.Wait()
		return n
	}
}

func TestFirehoseIsRecoveredWithinTheConnectBudget(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 1, ReplaySpeed: 20}, func(w *world) {
		w.stream = "firehose"
		jobs := w.mostJobs()
		stop := w.pipeline("start_from: -3h", "")
		time.Sleep(3 * time.Hour)
		until := time.Now().Add(-15 * time.Second)
		stop()
		w.missing(w.began.Add(-3*time.Hour), until)
		w.noRepeats()
		if n := jobs(); n != 2 {
			t.Errorf("%d jobs at a time, want two", n)
		}
		for _, c := range w.connects() {
			if c.Status != http.StatusOK {
				t.Errorf("X refused a connect at %s: %d", c.At.Format(time.TimeOnly), c.Status)
			}
		}
		if len(w.lost()) > 0 {
			t.Errorf("losses are recorded; log:\n%s", w.log.String())
		}
	})
}

var expiring = regexp.MustCompile(`too old before its turn comes.* partition=(\d+) period=(\S+) to (\S+)`)

// Ten partitions for twenty hours at twice the speed are more than two jobs
// can fetch before it is too old. What will be lost is told as soon as the
// first window has shown the speed, to the minute, and nothing else is lost.
func TestWhatWillExpireIsToldBeforeItDoes(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 0.2, ReplaySpeed: 2}, func(w *world) {
		w.stream = "firehose"
		stop := w.pipeline("start_from: -20h\npartitions: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "")
		time.Sleep(90 * time.Minute)
		told := time.Duration(0)
		for _, line := range w.log.matching("too old before its turn comes") {
			m := expiring.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("no period in %q", line)
			}
			told += duration(t, m[2], m[3])
		}
		if told == 0 {
			t.Fatalf("nothing is told after the first window; log:\n%s", w.log.String())
		}
		if len(w.lost()) > 0 {
			t.Error("something was lost before it was told")
		}
		time.Sleep(26 * time.Hour)
		until := time.Now().Add(-15 * time.Second)
		stop()
		var lost time.Duration
		for _, p := range w.lost() {
			lost += p[1].Sub(p[0])
		}
		t.Logf("told that %v will be lost, lost %v", told, lost)
		if (told - lost).Abs() > 10*20*time.Minute {
			t.Errorf("told that %v will be lost, lost %v", told, lost)
		}
		w.lostOrHere(10, w.began.Add(-20*time.Hour), until)
		w.noRepeats()
	})
}

// lostOrHere fails the test if a Post of the first partitions that was delivered
// between two moments is missing without being in a recorded loss of its own.
func (w *world) lostOrHere(partitions int, from, to time.Time) {
	w.Helper()
	recorded := map[uint64]bool{}
	for _, line := range w.log.matching("events are lost") {
		m := lostOf.FindStringSubmatch(line)
		if m == nil {
			w.Fatalf("no period in %q", line)
		}
		n, _ := strconv.Atoi(m[1])
		begin, _ := time.Parse(time.RFC3339, m[2])
		ids, err := w.sim.Expected(w.stream, n, begin, begin.Add(duration(w.T, m[2], m[3])))
		if err != nil {
			w.Fatal(err)
		}
		for id := range ids {
			recorded[id] = true
		}
	}
	have := w.sink.ids()
	for n := range partitions {
		ids, err := w.sim.Expected(w.stream, n+1, from, to)
		if err != nil {
			w.Fatal(err)
		}
		for id := range ids {
			if have[strconv.FormatUint(id, 10)] == 0 && !recorded[id] {
				w.Errorf("Post %d of partition %d is missing, and in no recorded loss", id, n+1)
			}
		}
	}
}

var lostOf = regexp.MustCompile(`events are lost.* partition=(\d+).* period=(\S+) to (\S+)`)

func duration(t *testing.T, from, to string) time.Duration {
	t.Helper()
	a, err := time.Parse(time.RFC3339, from)
	if err != nil {
		t.Fatal(err)
	}
	b, err := time.Parse(time.RFC3339, to)
	if err != nil {
		t.Fatal(err)
	}
	return b.Sub(a)
}

// A recovery that breaks in the middle, however it does, goes on where it was.
func TestABrokenRecoveryGoesOn(t *testing.T) {
	for _, kind := range []simulator.Kind{simulator.Reset, simulator.CleanEnd, simulator.Cut, simulator.CutLine, simulator.Stall, simulator.OperationalDisconnect} {
		t.Run(string(kind), func(t *testing.T) {
			inWorld(t, simulator.Config{Rate: 0.2, ReplaySpeed: 60}, func(w *world) {
				stop := w.pipeline("start_from: -4h", "")
				for range 4 {
					time.Sleep(50 * time.Second)
					w.fault(simulator.Fault{Kind: kind, Target: "recovery"})
				}
				time.Sleep(20 * time.Minute)
				until := time.Now().Add(-15 * time.Second)
				stop()
				w.missing(w.began.Add(-4*time.Hour), until)
				w.noRepeats()
				if n := len(w.log.matching("connection lost")); n > 0 {
					t.Errorf("live connections were lost: %d", n)
				}
			})
		})
	}
}

// Readings that X's documentation leaves open.
func TestOtherReadingsOfRecoveryLoseNothing(t *testing.T) {
	for name, x := range map[string]simulator.Config{
		"by creation":         {RecoveryByCreation: true, BackfillByCreation: true},
		"heartbeats between":  {InterleaveBackfill: true, ReplaySpeed: 50},
		"jobs by partition":   {Account: simulator.Account{RecoveryJobsByPartition: true}},
		"jobs take slots":     {Account: simulator.Account{RecoveryTakesSlot: true}},
		"one job at a time":   {Account: simulator.Account{RecoveryJobs: 1}},
		"as fast as possible": {},
	} {
		t.Run(name, func(t *testing.T) {
			x.Rate = 0.3
			inWorld(t, x, func(w *world) {
				stop := w.pipeline("", "")
				time.Sleep(5 * time.Minute)
				w.fault(simulator.Fault{Kind: simulator.Refuse, For: 5 * time.Hour})
				w.fault(simulator.Fault{Kind: simulator.Reset})
				time.Sleep(6 * time.Hour)
				until := time.Now().Add(-15 * time.Second)
				stop()
				w.missing(w.began.Add(time.Second), until)
				w.noRepeats()
			})
		})
	}
}

// A backfill may select by creation and a recovery by delivery, or the other
// way round: a Post that was created in the part of the one and delivered in
// that of the other must not fall between them.
func TestNothingFallsBetweenARecoveryAndABackfill(t *testing.T) {
	for name, x := range map[string]simulator.Config{
		"backfill by creation": {BackfillByCreation: true},
		"recovery by creation": {RecoveryByCreation: true},
	} {
		t.Run(name, func(t *testing.T) {
			x.Rate = 20
			inWorld(t, x, func(w *world) {
				// The first outage begins before the first connection.
				w.fault(simulator.Fault{Kind: simulator.Refuse, For: 6 * time.Minute})
				stop := w.pipeline("", "")
				time.Sleep(8 * time.Minute)
				for range 2 {
					w.fault(simulator.Fault{Kind: simulator.Refuse, For: 7 * time.Minute})
					w.fault(simulator.Fault{Kind: simulator.Reset})
					time.Sleep(10 * time.Minute)
				}
				until := time.Now().Add(-15 * time.Second)
				stop()
				w.missing(w.began.Add(100*time.Millisecond), until)
				w.noRepeats()
			})
		})
	}
}

// A rule with an operator that search lacks is named in the ledger with it,
// and searched for without it only where that is allowed; such events say so.
func TestRulesThatSearchCannotTake(t *testing.T) {
	for name, strip := range map[string]bool{"left out": false, "stripped": true} {
		t.Run(name, func(t *testing.T) {
			rules := []simulator.Rule{
				{Value: "coffee", Tag: "whole"},
				{Value: "(soccer OR violin) bio:engineer", Tag: "bio"},
				{Value: "coffee OR (winter sample:10)", Tag: "not to be stripped"},
			}
			x := simulator.Config{Rate: 2, Rules: rules, Account: rights{simulator.Denied, simulator.Denied, simulator.Allowed}.account()}
			inWorld(t, x, func(w *world) {
				dir := w.withState()
				w.sink.keep = true
				stop := w.pipeline(checkpointed+fmt.Sprintf("\nrepair: {search: {max_posts: 0, strip_operators: %v}}", strip), "")
				time.Sleep(5 * time.Minute)
				w.fault(simulator.Fault{Kind: simulator.Refuse, For: 30 * time.Minute})
				w.fault(simulator.Fault{Kind: simulator.Reset})
				time.Sleep(40 * time.Minute)
				stop()
				ledger, err := os.ReadFile(filepath.Join(dir, "x_stream.1.a"))
				if err != nil {
					t.Fatal(err)
				}
				if named := strings.Contains(string(ledger), "bio:"); named == strip {
					t.Errorf("the ledger names bio: %v", named)
				}
				if !strings.Contains(string(ledger), "sample:") {
					t.Error("the ledger does not name sample:")
				}
				queries := map[string]bool{}
				for _, r := range w.sim.Requests() {
					queries[r.Query.Get("query")] = true
				}
				if !queries["coffee"] || queries["(soccer OR violin)"] != strip || queries["coffee OR (winter sample:10)"] {
					t.Errorf("queries %v", queries)
				}
				found := map[string]int{}
				for _, m := range w.sink.messages {
					if meta(m, metaSource) == "search" {
						found[meta(m, metaStripped)]++
					}
				}
				if found[""] == 0 || (found["bio:engineer"] > 0) != strip {
					t.Errorf("searched events by what was stripped: %v", found)
				}
			})
		})
	}
}

// X bills each Post that a search brings.
func TestSearchStopsAtMaxPosts(t *testing.T) {
	x := simulator.Config{Rate: 2, Account: rights{simulator.Denied, simulator.Denied, simulator.Allowed}.account()}
	inWorld(t, x, func(w *world) {
		w.sink.keep = true
		stop := w.pipeline("repair: {methods: [backfill, search], search: {max_posts: 500}}", "")
		time.Sleep(5 * time.Minute)
		w.fault(simulator.Fault{Kind: simulator.Refuse, For: 30 * time.Minute})
		w.fault(simulator.Fault{Kind: simulator.Reset})
		time.Sleep(40 * time.Minute)
		stop()
		found := 0
		for _, m := range w.sink.messages {
			if meta(m, metaSource) == "search" {
				found++
			}
		}
		if found == 0 || found > 600 {
			t.Errorf("the search brought %d Posts, want at most 500 and the rest of a page", found)
		}
		if lost := w.log.matching("max_posts"); len(lost) == 0 {
			t.Errorf("no loss is recorded; log:\n%s", w.log.String())
		}
	})
}

// A gap that no reconnect will close, because X refuses the slot of the one
// that should: a healthy connection is opened again for it.
func TestAHealthyConnectionIsOpenedAgainForAGap(t *testing.T) {
	inWorld(t, simulator.Config{Rate: 10}, func(w *world) {
		stop := w.pipeline("connections: 2\nrepair: {methods: [backfill]}", "")
		w.allUp(2)
		time.Sleep(between)
		w.fault(simulator.Fault{Kind: simulator.Stall, Count: 1}) // nobody notices yet
		time.Sleep(10 * time.Second)
		// The one that lives, for the other sends no Post any more. It is back at
		// once, and trusts the other.
		w.fault(simulator.Fault{Kind: simulator.Reset, AfterPosts: 1})
		time.Sleep(5 * time.Second)
		w.fault(simulator.Fault{Kind: simulator.TooManyConnections, Count: 4})
		time.Sleep(10 * time.Minute)
		until := time.Now().Add(-15 * time.Second)
		stop()
		if len(w.log.matching("opened again with backfill")) == 0 {
			t.Errorf("none was; log:\n%s", w.log.String())
		}
		w.missing(w.began.Add(2*time.Second), until)
		w.noRepeats()
	})
}
