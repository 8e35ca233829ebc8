package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/admission"
	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

const (
	// announced is how long before the end of a connection X may say why.
	announced = time.Minute

	// garbageEvery bounds how often a connection's malformed and oversized
	// lines are logged.
	garbageEvery = time.Minute
)

// redundantPause is how long a connection waits before it connects again while
// another serves its partition. Where X ends several at a time, those that
// leave a partition alone go first.
const redundantPause = time.Second

// connection keeps one connection of a partition up: it connects, reads until
// the end, and connects again when its schedule says so. It runs in one
// goroutine.
type connection struct {
	in         *Ingest
	partition  *partition
	number     int // 1..N, of the partition's
	client     *xapi.Client
	reconnects *admission.Schedule
	decoder    *delivery.Decoder
	log        *slog.Logger
	lines      [][]byte
	failing    string    // the reason that was last logged, while no attempt succeeds
	garbageAt  time.Time // when garbage was last logged

	response atomic.Pointer[response] // the one that is up; nil: none
}

// response is one response that is being read.
type response struct {
	conn     *xapi.Connection
	mark     *account.Watermark
	reopened atomic.Bool // we ended it, see reopen
}

// reopen ends the connection so that it is opened again with backfill, and
// reports whether there was one to end. With onlySettled it leaves one alone
// whose own backfill would have to begin anew.
func (c *connection) reopen(onlySettled bool) bool {
	r := c.response.Load()
	if r == nil || onlySettled && !c.partition.settled(r.mark) {
		return false
	}
	r.reopen()
	return true
}

// reopen ends the response. Where it has ended already that says nothing of the
// next one.
func (r *response) reopen() {
	r.reopened.Store(true)
	_ = r.conn.Close()
}

func newConnection(in *Ingest, p *partition, number int) *connection {
	log := in.logOf(p.number)
	if in.cfg.Connections > 1 {
		log = log.With("connection", number)
	}
	return &connection{
		in: in, partition: p, number: number, log: log,
		client:     in.cfg.Clients[(number-1)%len(in.cfg.Clients)],
		reconnects: admission.NewSchedule(in.cfg.Jitter),
		decoder:    delivery.NewDecoder(in.cfg.Stream.Format, delivery.Origin{Partition: p.number, Connection: number}, p.Judge),
	}
}

// run keeps the connection up until ctx ends, or until X has shown that it
// allows one connection only.
func (c *connection) run(ctx context.Context) {
	for ctx.Err() == nil {
		end := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		ended := c.in.now()
		c.pause(ctx, end)
		if end.Opened && c.in.evicted(c, ended) {
			c.log.Warn("X ends one connection of this app when another opens: going on with fewer; set connections to 1, or ask X for redundant connections")
			return
		}
	}
}

// pause waits as the schedule says after an ending.
func (c *connection) pause(ctx context.Context, end admission.Ending) {
	pause := c.reconnects.Next(end, time.Now())
	shared := end.Problem.Class == xapi.TooManyConnections && c.in.slotRefused(c)
	if shared {
		pause = 0 // it waits with all redundant connects
	}
	if c.in.served(c.partition) {
		pause = max(pause, redundantPause)
	}
	c.in.observer.Reconnecting(c.partition.number, reasonOf(end.Problem), pause)
	if !shared {
		c.report(end, pause)
	}
	if !end.Opened {
		c.in.queue.Failed(end.Problem)
	}
	wait.Sleep(ctx, pause)
}

// once opens a connection and reads it to its end.
func (c *connection) once(ctx context.Context) admission.Ending {
	began := c.in.now()
	conn, minutes, problem := c.open(ctx)
	if problem != nil {
		// Nothing covers the stream since: a later connection asks for it.
		c.partition.owe(began)
		return admission.Ending{Problem: problem}
	}
	defer conn.Close()
	defer c.in.closed(c.partition)
	opened := wall(conn.Opened()).Add(conn.Skew())
	c.in.opened(c, opened)
	mark, gaps := c.partition.opened(opened, time.Duration(minutes)*time.Minute)
	defer c.partition.ended(mark)
	c.welcome(conn, minutes)
	c.partition.pin(gaps)
	c.in.repairGaps()
	r := &response{conn: conn, mark: mark}
	c.response.Store(r)
	defer c.response.Store(nil)

	end := c.consume(ctx, r)
	if r.reopened.Load() {
		end.Problem = &xapi.Problem{Class: xapi.Network, Reason: "reopened", Sent: true, Title: "opened again with backfill, for a gap that no reconnect would close"}
	}
	end.Opened = true
	end.Lived = time.Since(conn.Opened())
	return end
}

// open connects, with a backfill where something is missing. Where X refuses
// the backfill it connects at once without; it asks twice before it believes
// that, for a gap that is not asked for is lost.
func (c *connection) open(ctx context.Context) (conn *xapi.Connection, minutes int, problem *xapi.Problem) {
	var refusal *xapi.Problem
	for asked := 0; ; asked++ {
		if err := c.in.admit(ctx, c); err != nil {
			return nil, 0, xapi.AsProblem(err)
		}
		now := c.in.now()
		minutes = 0
		if asked < 2 && c.in.mayBackfill(now) {
			minutes = c.partition.minutes(now, c.in.cfg.ConnectTimeout)
		}
		conn, problem = c.in.dial(ctx, c, c.request(minutes))
		if problem != nil && minutes > 0 && refusesBackfill(problem) {
			refusal = problem
			continue
		}
		if problem == nil && asked >= 2 && c.in.backfillRefused(now) {
			c.log.Warn("X refuses backfill to this account, so what is missed at a disconnection cannot be fetched; asking again every hour",
				"answer", refusal.Error())
		}
		return conn, minutes, problem
	}
}

func (c *connection) request(minutes int) xapi.Request {
	return xapi.Request{Stream: c.in.cfg.Stream, Partition: c.partition.number, BackfillMinutes: minutes}
}

func refusesBackfill(p *xapi.Problem) bool {
	return p.Class == xapi.BadRequest || p.Class == xapi.Forbidden
}

// consume reads a response until it ends or ctx does.
func (c *connection) consume(ctx context.Context, r *response) (end admission.Ending) {
	conn := r.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	silence := watchSilence(c.in.cfg.SilenceTimeout, conn)
	defer silence.pause()

	skew := conn.Skew()
	jumped := false
	conn.OnProof(func(proof time.Time) {
		if jumped = jumped || driftedApart(conn.Opened(), proof); jumped {
			_ = conn.Close() // the next one tells X's time anew
			return
		}
		c.prove(r.mark, wall(proof).Add(skew), time.Since(proof))
	})
	var said announcement
	var oversized int64
	for {
		lines, err := conn.ReadLines(c.lines[:0], c.in.cfg.MaxBatch)
		if jumped {
			end.Problem = &xapi.Problem{Class: xapi.Network, Reason: "clock_jumped", Sent: true, Title: "the clock of this machine was set, or the machine slept"}
			return end
		}
		if err != nil {
			end.Problem = said.orElse(silence.orElse(xapi.AsProblem(err)))
			return end
		}
		c.lines = lines
		now := wall(time.Now()).Add(skew)
		out := c.decoder.Decode(lines, now, delivery.Opening{At: r.mark.Opened(), Unsettled: !r.mark.Settled()})
		out.Counts.Oversized = int(conn.Oversized() - oversized)
		oversized = conn.Oversized()
		if out.Problem != nil {
			said = announcement{out.Problem, time.Now()}
		}
		end.Data = end.Data || out.Arrival.Data
		c.observe(out)
		r.mark.Arrived(now, account.Arrival(out.Arrival))
		if err := c.enqueue(ctx, out, silence); err != nil {
			end.Problem = xapi.AsProblem(err)
			return end
		}
	}
}

// announcement is what X said on a stream that it is about to end.
type announcement struct {
	problem *xapi.Problem
	at      time.Time
}

// orElse is the announcement, if it was made shortly before the end.
func (a announcement) orElse(p *xapi.Problem) *xapi.Problem {
	if a.problem != nil && time.Since(a.at) < announced {
		return a.problem
	}
	return p
}

// prove moves the coverage, now that all that had arrived by proof, which was
// so long ago, is queued.
func (c *connection) prove(mark *account.Watermark, proof time.Time, ago time.Duration) {
	late := c.decoder.DrainLateness()
	if ago >= time.Second {
		late = nil // only while we keep up is a delay X's and not our own
	}
	for _, gap := range c.partition.proved(mark, proof, late) {
		c.log.Info("gap closed by backfill", "period", gap.String(), "seconds", gap.Duration().Seconds())
		c.in.observer.Repaired(c.partition.number, string(repair.Backfill), gap.Duration())
	}
}

// enqueue hands a read on. It waits for room until ctx ends.
func (c *connection) enqueue(ctx context.Context, out delivery.Decoded, silence *silence) error {
	if out.Read != nil {
		silence.pause() // waiting for room is not X's silence
		if err := c.in.queue.Put(ctx, out.Read); err != nil {
			return fmt.Errorf("waiting for room in the queue: %w", err)
		}
	}
	if out.Arrival.Data {
		silence.restart()
	}
	return nil
}

func (c *connection) observe(out delivery.Decoded) {
	n := out.Counts
	if out.Arrival.Data || n.Malformed > 0 || n.Oversized > 0 {
		c.in.observer.Arrived(c.partition.number, n)
	}
	if n.Malformed == 0 && n.Oversized == 0 {
		return
	}
	if now := time.Now(); now.Sub(c.garbageAt) >= garbageEvery {
		c.garbageAt = now
		c.log.Warn("lines of the stream were skipped", "malformed", n.Malformed, "oversized", n.Oversized,
			"max_line_bytes", c.in.cfg.MaxLineBytes, "malformed_begins", excerpt(out.Garbage))
	}
}

// excerpt is the beginning of a line, fit for a log.
func excerpt(line []byte) string {
	const most = 80
	return fmt.Sprintf("%q", line[:min(len(line), most)])
}

// welcome logs that a connection is up, and what it will repair.
func (c *connection) welcome(conn *xapi.Connection, minutes int) {
	c.failing = ""
	args := []any{}
	if minutes > 0 {
		args = append(args, "backfill_minutes", minutes)
	}
	c.log.Info("connected", args...)
	if skew := conn.Skew(); skew != 0 {
		c.log.Warn("the clock of this machine is wrong; times are corrected by X's", "behind", skew.String())
	}
}

// report logs an ending: at once when it is news, again when the waits have
// reached their longest, and not at all when it only repeats itself.
func (c *connection) report(end admission.Ending, wait time.Duration) {
	reason := reasonOf(end.Problem)
	news := end.Opened || reason != c.failing
	c.failing = reason
	log := c.log.With("reason", end.Problem.Error(), "next_attempt_in", wait.Round(time.Millisecond).String())
	if end.Problem.Advice != "" {
		log = log.With("what_to_do", end.Problem.Advice)
	}
	switch {
	case end.Problem.Class == xapi.UsageCapped:
		log.Error("X has capped the usage")
	case end.Opened:
		log.Warn("connection lost", "after", end.Lived.Round(time.Millisecond).String())
	case news:
		log.Warn("connecting failed")
	case wait >= admission.HTTPMax:
		log.Error("connecting still fails")
	}
}

// silence ends a connection on which heartbeats come but no data. The zero
// timeout means that it never does.
type silence struct {
	timeout time.Duration
	timer   *time.Timer
	fired   atomic.Bool
}

func watchSilence(timeout time.Duration, conn *xapi.Connection) *silence {
	s := &silence{timeout: timeout}
	if timeout > 0 {
		s.timer = time.AfterFunc(timeout, func() {
			s.fired.Store(true)
			_ = conn.Close()
		})
	}
	return s
}

func (s *silence) restart() {
	if s.timer != nil {
		s.timer.Reset(s.timeout)
	}
}

func (s *silence) pause() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// orElse is the silence, if that is what ended the connection.
func (s *silence) orElse(p *xapi.Problem) *xapi.Problem {
	if !s.fired.Load() {
		return p
	}
	return &xapi.Problem{Class: xapi.Network, Reason: "silence", Sent: true,
		Title: fmt.Sprintf("no data for %s, though heartbeats came", s.timeout)}
}
