package e2e

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// A firehose with all its partitions and two connections to each, of which one
// after the other is reset.
func TestFirehoseWithRedundantConnections(t *testing.T) {
	long(t)
	rate, lasts := 2000.0, 20*time.Second
	if soak() {
		rate, lasts = 20_000, 2*time.Minute
	}
	x := startX(t, simulator.Config{Rate: rate, MaxLateness: 10 * time.Second, SendBuffer: 64 << 20,
		Account: simulator.Account{Connections: 40, Connects: 1000}})
	x.stream = "firehose"
	p := startProcess(t, x, "stream: firehose\nconnections: 2\nallow_more_connections: true\nbearer_token: "+token)
	eventually(t, time.Minute, "forty connections", func() bool { return len(x.Connections().Open) == 40 })
	began := time.Now()

	var memory []int
	var lately []int // partitions that a reset has hit: their twins are to be up when the next comes
	random := rand.New(rand.NewPCG(1, 2))
	for resets := 0; time.Since(began) < lasts; resets++ {
		partition := 1 + random.IntN(20)
		for slices.Contains(lately, partition) {
			partition = 1 + random.IntN(20)
		}
		lately = append(lately[max(0, len(lately)-5):], partition)
		x.fails(simulator.Fault{Kind: simulator.Reset, Stream: "firehose", Partition: partition, Count: 1})
		time.Sleep(time.Second + time.Duration(random.Int64N(int64(2*time.Second))))
		_, now := p.memory()
		memory = append(memory, now)
	}
	until := time.Now()
	// Two cores that also run X may lag. Posts are up to ten seconds late.
	eventually(t, 2*time.Minute, "delivery of all until then", func() bool {
		time.Sleep(time.Second)
		return time.Since(until).Seconds()-p.metric("x_stream_undelivered_seconds")/20 > 5
	})
	lag, dropped := p.metric("x_stream_lag_seconds"), p.metric("x_stream_duplicates")
	lost, open := p.metric("x_stream_gap_lost_seconds"), p.metric("x_stream_gap_open_seconds")
	p.stop(syscall.SIGTERM)

	have := p.delivered()
	owed := have.check(t, x, began, until)
	if lost != 0 || open != 0 {
		t.Errorf("%v seconds of gaps are lost, %v are open; want none", lost, open)
	}
	connects := x.Connections().Connects
	for _, c := range connects {
		if c.BackfillMinutes > 0 {
			t.Errorf("backfill was asked for at %s, on partition %d", c.At.Format(time.TimeOnly), c.Partition)
		}
	}
	if len(connects) < 40+len(memory)*9/10 {
		t.Errorf("%d connects for %d resets: the test proves nothing", len(connects), len(memory))
	}
	// The window of a million keys is full after the first minute.
	if rest := memory[len(memory)*3/4:]; soak() && slices.Max(rest) > slices.Max(memory[len(memory)/2:len(memory)*3/4])*5/4 {
		t.Errorf("memory grows: %v MB", memory)
	}
	usage := p.cmd.ProcessState
	t.Logf("%d Posts owed in %.0f s, %d in the file, %d repeats; %.0f copies dropped; %d connects; mean lag at the end %.1f s; memory %v MB; CPU %.0f s",
		owed, until.Sub(began).Seconds(), len(have), have.repeats(), dropped, len(connects), lag/20, memory,
		(usage.UserTime() + usage.SystemTime()).Seconds())
}
