package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// sink is a real server that a pipeline of config/ writes to.
type sink interface {
	Env() []string // how the pipeline finds it
	Stop() error
	Start() error
	Restartable() bool
	// each calls f with every copy of a Post that the server has, and what it
	// has of the event: its bytes, or JSON that equals it.
	each(t *testing.T, f func(id uint64, event []byte))
	// same reports what differs between an event as X sent it and what the
	// server has of it; nil: nothing.
	same(sent, stored []byte) error
}

// shipped is a pipeline of config/ over all of its processes.
type shipped struct {
	*testing.T
	x    *fakeX
	name string   // of its file
	env  []string // how it finds its servers
	dir  string   // where it runs
	key  string   // of its checkpoint
}

func newShipped(t *testing.T, x *fakeX, name string, env []string) *shipped {
	t.Helper()
	return &shipped{T: t, x: x, name: name, env: env, dir: t.TempDir(), key: "x_stream"}
}

// start runs the pipeline as a user does: the file as it is, and variables.
func (s *shipped) start() *process {
	s.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "config", s.name+".yaml"))
	if err != nil {
		s.Fatal(err)
	}
	address := freeAddress(s.T)
	cmd := exec.Command(binary(s.T), "-c", path)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Env = append(cmd.Env, "X_BASE_URL="+s.x.url, "X_BEARER_TOKEN="+token, "X_HTTP_ADDRESS="+address, "X_CHECKPOINT_KEY="+s.key)
	return launch(s.T, cmd, address, longestShutdown)
}

// longestShutdown is the longest shutdown_timeout of a pipeline in config/.
const longestShutdown = 2 * time.Minute

// away takes a server away for a time, and does something meanwhile.
func away(t *testing.T, k sink, while time.Duration, meanwhile func()) {
	t.Helper()
	if !k.Restartable() {
		t.Log("the server is not ours to stop")
		meanwhile()
		return
	}
	began := time.Now()
	if err := k.Stop(); err != nil {
		t.Fatal(err)
	}
	meanwhile()
	time.Sleep(time.Until(began.Add(while)))
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the server was away for %.0f s", time.Since(began).Seconds())
}

// repaired waits until no gap is left and delivery has caught up, so that what X
// sent until recent ago is delivered at a stop. It fails the test if anything
// is lost.
func (s *shipped) repaired(p *process) {
	s.Helper()
	var since time.Time
	eventually(s.T, 8*time.Minute, "the end of the repair", func() bool {
		if !s.caughtUp(p) {
			since = time.Time{}
		} else if since.IsZero() {
			since = time.Now()
		}
		return !since.IsZero() && time.Since(since) > 5*time.Second
	})
	if lost := p.metric("x_stream_gap_lost_seconds"); lost != 0 {
		s.Errorf("%v seconds of gaps are lost; want none", lost)
	}
}

// caughtUp reports whether no gap is open, nothing old is read, and next to
// nothing waits for the pipeline.
func (s *shipped) caughtUp(p *process) bool {
	for metric, most := range map[string]float64{
		"x_stream_gap_open_seconds": 0,
		"x_stream_lag_seconds":      recent.Seconds() * float64(s.partitions()),
		"x_stream_queue_bytes":      1 << 20,
	} {
		if v, err := p.sample(metric); err != nil || v > most {
			return false
		}
	}
	return true
}

// recent is how far behind a reader may be that has caught up.
const recent = 15 * time.Second

// partitions is the number of the stream's, over which a metric is summed up.
func (s *shipped) partitions() int {
	if s.x.stream == "firehose" {
		return 20
	}
	return 1
}

// allOpened waits for the first connections to all partitions, and returns when
// X opened the last: a partition's account begins with its first connection.
func (s *shipped) allOpened() (at time.Time) {
	s.Helper()
	eventually(s.T, time.Minute, "the first connections", func() bool {
		open := s.x.Connections().Open
		for _, c := range open {
			if c.Opened.After(at) {
				at = c.Opened
			}
		}
		return len(open) == s.partitions()
	})
	return at
}

// check fails the test unless a server has every Post that X delivered in
// [from, to), as X sent it, and none that X never sent. It returns how many
// were owed, and how many copies are there beyond the first of each.
func (s *shipped) check(k sink, from, to time.Time) (owed, repeats int) {
	s.Helper()
	have := delivered{}
	wrong := 0
	k.each(s.T, func(id uint64, stored []byte) {
		have[id]++
		sent, err := s.x.Event(s.x.stream, id)
		if err == nil {
			err = k.same(sent, stored)
		}
		if err != nil {
			if wrong++; wrong <= 3 {
				s.Errorf("Post %d: %v\nsent   %.300s\nstored %.300s", id, err, sent, stored)
			}
		}
	})
	due := s.x.owed(from, to)
	if len(due) == 0 {
		s.Fatal("nothing was published: the test proves nothing")
	}
	if left := missing(due, have); len(left) > 0 {
		s.Errorf("%d of %d Posts are missing, created from %.1f s (%d) to %.1f s after the beginning", len(left), len(due),
			created(left[0]).Sub(from).Seconds(), left[0], created(left[len(left)-1]).Sub(from).Seconds())
	}
	if wrong > 0 {
		s.Errorf("%d copies are not what X sent", wrong)
	}
	s.noDeadLetters()
	return len(due), have.repeats()
}

// noDeadLetters fails the test if the pipeline took an event for one that its
// output would refuse.
func (s *shipped) noDeadLetters() {
	s.Helper()
	if _, err := os.Stat(filepath.Join(s.dir, "dead_letters.jsonl")); err == nil {
		s.Error("there are dead letters")
	}
}

// outline is what happens to a pipeline while X publishes.
type outline struct {
	posts   int
	rate    float64
	outage  time.Duration // of the server, twice
	kills   int           // of xconnect: the first while the server is there, the second while it is away
	repeats bool          // whether the sink may have repeats then
}

// endures runs a pipeline through an outline and checks what the server has.
func endures(t *testing.T, name string, k sink, o outline) {
	t.Helper()
	// A start of a firehose takes 20 connects and a repair as many more: more
	// than the 50 in 15 minutes that X publishes for other streams.
	x := startX(t, simulator.Config{Rate: o.rate, MaxLateness: 5 * time.Second, SendBuffer: 256 << 20,
		Account: simulator.Account{Connects: 450}})
	x.stream, _, _ = strings.Cut(name, "_")
	s := newShipped(t, x, name, k.Env())
	var p *process
	var opened time.Time
	away(t, k, 3*time.Second, func() { // it may be away when the pipeline starts
		p = s.start()
		opened = s.allOpened().Add(500 * time.Millisecond)
	})
	kills := o.kills
	kill := func() {
		if kills--; kills >= 0 {
			p.kill()
			p = s.start()
		}
	}
	reach := o.clock(opened)

	reach(0.1)
	x.fails(simulator.Fault{Kind: simulator.Reset, Count: 1})
	reach(0.2)
	away(t, k, o.outage, func() {})
	reach(0.4)
	kill()
	reach(0.5)
	x.fails(simulator.Fault{Kind: simulator.InternalError500, Count: 2})
	x.fails(simulator.Fault{Kind: simulator.CutLine, Count: 1})
	reach(0.6)
	away(t, k, o.outage, func() {
		time.Sleep(o.outage / 2)
		kill()
	})
	reach(0.9)
	x.fails(simulator.Fault{Kind: simulator.CleanEnd, Count: 1})
	reach(1)

	s.repaired(p)
	until := time.Now().Add(-recent)
	took := p.stop(syscall.SIGTERM)
	owed, repeats := s.check(k, opened, until)
	if repeats > 0 && !o.repeats {
		t.Errorf("%d repeats", repeats)
	}
	t.Logf("%s: %d Posts owed in %.0f s, %d kills, server away for twice %.0f s: %d repeats; stopped within %s",
		name, owed, until.Sub(opened).Seconds(), o.kills, o.outage.Seconds(), repeats, took.Round(time.Millisecond))
}

// clock waits for shares of the time that X takes to publish all.
func (o outline) clock(from time.Time) (reach func(share float64)) {
	return func(share float64) {
		time.Sleep(time.Until(from.Add(time.Duration(share * float64(o.posts) / o.rate * float64(time.Second)))))
	}
}

// sized is a tenth of an outline, unless all of it is asked for.
func (o outline) sized() outline {
	if soak() {
		return o
	}
	o.posts, o.rate, o.outage = o.posts/10, o.rate/2.5, o.outage/4
	return o
}

// shorter is half as long, at half the rate.
func (o outline) shorter() outline {
	o.posts, o.rate = o.posts/4, o.rate/2
	return o
}

var full = outline{posts: 200_000, rate: 1000, outage: 20 * time.Second, kills: 2}

func TestPostgresHasEveryPostOnce(t *testing.T) {
	long(t)
	t.Parallel()
	endures(t, "filtered_to_postgres", startPostgres(t), full.sized())
}

func TestElasticsearchHasEveryPostOnce(t *testing.T) {
	long(t)
	t.Parallel()
	endures(t, "filtered_to_elasticsearch", startElasticsearch(t), full.sized())
}

func TestS3HasEveryPost(t *testing.T) {
	long(t)
	t.Parallel()
	o := full.sized()
	o.repeats = true
	endures(t, "filtered_to_s3", startS3(t), o)
}

func TestKafkaHasEveryPost(t *testing.T) {
	long(t)
	t.Parallel()
	o := full.sized().shorter()
	o.kills, o.repeats = 1, true
	endures(t, "firehose_to_kafka", startKafka(t), o)
}

// Without a crash of xconnect no object holds what another holds, whatever
// becomes of the server: a write that is tried again replaces itself.
func TestS3RepeatsNothingWithoutCrash(t *testing.T) {
	long(t)
	t.Parallel()
	o := full.sized()
	o.kills = 0
	endures(t, "filtered_to_s3", startS3(t), o)
}

// Nor does the topic: the producer is idempotent.
func TestKafkaRepeatsNothingWithoutCrash(t *testing.T) {
	long(t)
	t.Parallel()
	o := full.sized().shorter()
	o.kills = 0
	endures(t, "firehose_to_kafka", startKafka(t), o)
}
