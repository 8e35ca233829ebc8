package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// Three outputs, each of which is away for a time, and a crash: all three have
// every Post in the end.
func TestFanOutReachesAll(t *testing.T) {
	long(t)
	t.Parallel()
	o := outline{posts: 40_000, rate: 250, outage: 20 * time.Second}.sized()
	objects, documents, table := startS3(t), startElasticsearch(t), startPostgres(t)
	sinks := []sink{objects, documents, table}
	x := startX(t, simulator.Config{Rate: o.rate, MaxLateness: 5 * time.Second, SendBuffer: 256 << 20})
	var env []string
	for _, k := range sinks {
		env = append(env, k.Env()...)
	}
	s := newShipped(t, x, "fan_out", env)
	p := s.start()
	opened := x.firstOpened().Add(500 * time.Millisecond)
	reach := o.clock(opened)

	reach(0.1)
	for _, k := range sinks {
		away(t, k, o.outage, func() {})
	}
	reach(0.6)
	p.kill()
	p = s.start()
	reach(1)

	s.repaired(p)
	until := time.Now().Add(-recent)
	p.stop(syscall.SIGTERM)
	for _, k := range sinks {
		owed, repeats := s.check(k, opened, until)
		if repeats > 0 && k != sink(objects) {
			t.Errorf("%d repeats", repeats)
		}
		t.Logf("%T: %d Posts owed in %.0f s, %d repeats", k, owed, until.Sub(opened).Seconds(), repeats)
	}
}
