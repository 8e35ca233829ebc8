package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/checkpoint"
	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// restarts is one pipeline over all of its processes: an account at X, a
// checkpoint, and a table.
type restarts struct {
	*testing.T
	x       *fakeX
	kind    kind
	random  *rand.Rand
	config  simulator.Config
	created time.Time
	period  time.Duration // of the output's batching
	from    time.Time     // what is delivered from then on is owed; zero: from the first opening
	yaml    string
	state   state
	table   *table
}

const restartedPipeline = `
http: {address: '%%s'}
logger: {format: json}
metrics: {prometheus: {}}
shutdown_timeout: %s
cache_resources:
  - label: state
    %s
input:
  x_stream:
    base_url: %s
    bearer_token: %s
    checkpoint_cache: state
    checkpoint_interval: %s
    connections: %d
    repair: {window: 1m}
    %s
pipeline:
  processors: [%s]
output:
  sql_insert:
    driver: sqlite
    dsn: '%s'
    table: posts
    columns: [id]
    args_mapping: root = [ this.data.id ]
    batching: {count: %d, period: %s}
`

// beginsBefore is how long before now a pipeline begins that has a beginning in
// the past. Backfill brings the last five minutes of it.
const beginsBefore = 12 * time.Minute

// write chooses a variant of the pipeline.
func (r *restarts) write(either func() bool) {
	pick := func(yes, no string) string {
		if either() {
			return yes
		}
		return no
	}
	more := ""
	if r.kind == beginning {
		r.from = r.created.Add(-beginsBefore).Truncate(time.Second)
		more = "start_from: " + r.from.UTC().Format(time.RFC3339)
	}
	r.state = newState(r.T, either())
	count, connections := 10, 1
	if either() {
		count = 5000
	}
	if either() {
		connections = 2
	}
	interval := time.Duration(100+r.random.IntN(901)) * time.Millisecond
	dedupe := pick("x_dedupe: {}", "")
	r.yaml = fmt.Sprintf(restartedPipeline, shutdownTimeout, r.state.yaml(), r.x.url, token, interval, connections, more, dedupe, r.table.dsn, count, r.period)
	r.Logf("%s; checkpoint in %s each %s, batches of %d or %s, %d connections, %q; backfill by creation: %t, interleaved: %t; recovery by creation: %t",
		r.kind, r.state, interval, count, r.period, connections, dedupe, r.config.BackfillByCreation, r.config.InterleaveBackfill, r.config.RecoveryByCreation)
}

func (r *restarts) start() *process {
	r.Helper()
	return startPipeline(r.T, func(address string) string { return fmt.Sprintf(r.yaml, address) })
}

func (r *restarts) age() float64 { return time.Since(r.created).Seconds() }

// upTo is a random time.
func (r *restarts) upTo(most time.Duration) time.Duration {
	return time.Duration(r.random.Int64N(int64(most)))
}

// pick draws the moment of the n-th kill. Without backfill the first process
// leaves something to repair, and the second, which must wait for a minute
// before X has it, is killed for that.
func (r *restarts) pick(n int) moment {
	for {
		m := moments[r.random.IntN(len(moments))]
		if m.kinds != nil && !slices.Contains(m.kinds, r.kind) || r.kind == noBackfill && m.repairs != (n > 0) {
			continue
		}
		return m
	}
}

// delivering waits until a process has delivered something.
func (r *restarts) delivering(p *process) {
	r.Helper()
	had := r.table.rows()
	eventually(r.T, 30*time.Second, "delivery", func() bool { return !p.running() || r.table.rows() > had })
	if !p.running() {
		r.Fatalf("the process has ended: %s", p.cmd.ProcessState)
	}
}

// recovering waits for a recovery, if this process makes one.
func (r *restarts) recovering(p *process) {
	r.Helper()
	r.delivering(p)
	eventually(r.T, 3*time.Minute, "a recovery, or the end of all gaps", func() bool {
		open, err := p.sample("x_stream_gap_open_seconds")
		return slices.ContainsFunc(r.x.Connections().Open, recovers) || err == nil && open == 0
	})
}

func recovers(c simulator.OpenConnection) bool { return !c.StartTime.IsZero() }

// kill ends a process at once.
func (p *process) kill() {
	p.cmd.Process.Kill() // an error means that it has ended
	<-p.ended
}

// end lets a process repair what is missing, and stops it. It fails the test
// unless every Post that was delivered up to the stop is in the table then, and
// returns what is, and how many were owed.
func (r *restarts) end(p *process) (have delivered, owed int) {
	r.Helper()
	r.delivering(p)
	due := r.owed(time.Now())
	var closed time.Time // when the process' own account had no gap any more
	eventually(r.T, 4*time.Minute, "the end of the repair", func() bool {
		time.Sleep(500 * time.Millisecond)
		if p.metric("x_stream_gap_open_seconds") > 0 {
			closed = time.Time{}
		} else if closed.IsZero() {
			closed = time.Now()
		}
		return len(missing(due, r.table.delivered())) == 0 || !closed.IsZero() && time.Since(closed) > 10*time.Second
	})
	if lost := p.metric("x_stream_gap_lost_seconds"); lost != 0 {
		r.Errorf("%v seconds of gaps are lost; want none", lost)
	}
	until := time.Now().Add(-2 * time.Second)
	p.stop(syscall.SIGTERM)
	r.trails()
	have = r.table.delivered()
	for id := range r.owed(until) {
		due[id] = true
	}
	if left := missing(due, have); len(left) > 0 {
		after := func(id uint64) float64 { return created(id).Sub(r.created).Seconds() }
		r.Errorf("%d of %d Posts are missing, created from %.1f s (%d) to %.1f s after the round began",
			len(left), len(due), after(left[0]), left[0], after(left[len(left)-1]))
	}
	sent := r.x.owed(r.created.Add(-beginsBefore-time.Minute), time.Now())
	for id := range have {
		if !sent[id] {
			r.Errorf("%d is in the table, and is no Post of this time", id)
		}
	}
	return have, len(due)
}

// owed are the Posts that must be delivered up to a moment.
func (r *restarts) owed(until time.Time) map[uint64]bool {
	r.Helper()
	from := r.from
	for _, c := range r.x.Connections().Connects {
		if from.IsZero() && c.Status == 200 {
			from = c.At.Add(500 * time.Millisecond) // it was open by then
		}
	}
	if from.IsZero() {
		r.Fatal("nothing was opened")
	}
	owed := r.x.owed(from, until)
	if r.config.RecoveryByCreation {
		for id := range owed {
			if created(id).Before(r.from) {
				delete(owed, id) // X does not send what was created before the start
			}
		}
	}
	return owed
}

// missing are those of the Posts that were not delivered, oldest first.
func missing(owed map[uint64]bool, have delivered) (ids []uint64) {
	for id := range owed {
		if have[id] == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// trails fails the test unless all is in the table that the saved checkpoint
// calls covered.
func (r *restarts) trails() {
	r.Helper()
	have := r.table.delivered()
	saved, err := checkpoint.Read(context.Background(), r.state, checkpointKey)
	if (errors.Is(err, checkpoint.ErrNotFound) || err == nil && saved.Payload == nil) && len(have) == 0 {
		return // it was killed before it began
	}
	if err != nil {
		r.Error(err)
		return
	}
	var record account.Record
	if err := json.Unmarshal(saved.Payload, &record); err != nil {
		r.Error(err)
		return
	}
	for _, covered := range record.Covered() {
		// Events may still have been on their way: that is what overlaps are for.
		from, to := covered.From.Add(uncertain), covered.To.Add(-uncertain)
		if r.config.RecoveryByCreation || r.config.BackfillByCreation {
			from = from.Add(10 * time.Second)
		}
		if left := missing(r.x.owed(from, to), have); len(left) > 0 {
			r.Errorf("the checkpoint covers %s, and %d Posts of that are missing; the first, %d, was created at %s",
				covered, len(left), left[0], created(left[0]).UTC().Format(time.RFC3339Nano))
		}
	}
}

// uncertain is how long after a moment at most what X had sent until then has
// arrived, on a busy machine.
const uncertain = 3 * time.Second

// tear cuts the newest record, as a crash in the middle of its write does.
func (r *restarts) tear() {
	r.Helper()
	if dir, ok := r.state.(stateFiles); ok {
		dir.tear(r.T, r.random)
	}
}

// savedAllKeys fails the test if a process that has stopped says that a restart
// may repeat something: nothing would be proven then.
func (r *restarts) savedAllKeys(p *process) {
	r.Helper()
	if said := p.logged("a restart may repeat"); len(said) > 0 {
		r.Errorf("%s", said)
	}
}
