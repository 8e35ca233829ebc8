package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
	"github.com/xconnect-dev/xconnect/tests/services"
)

// While one of two hosts is away the other goes on, and nothing is late. Each
// repairs its own gaps, and no Post is there twice.
func TestRedundantHosts(t *testing.T) {
	long(t)
	t.Parallel()
	o := outline{posts: 40_000, rate: 250, outage: time.Minute}.sized()
	table := startPostgres(t)
	env := append(table.Env(), services.StartRedis(t).Env()...)
	x := startX(t, simulator.Config{Rate: o.rate, MaxLateness: 5 * time.Second, SendBuffer: 256 << 20})
	a, b := newShipped(t, x, "redundant_hosts", env), newShipped(t, x, "redundant_hosts", env)
	a.key, b.key = "host_a", "host_b"
	pa := a.start()
	opened := x.firstOpened().Add(500 * time.Millisecond)
	pb := b.start()
	eventually(t, 30*time.Second, "two connections", func() bool { return len(x.Connections().Open) == 2 })
	reach := o.clock(opened)

	reach(0.2)
	pa.kill()
	goesOn(t, table, o.outage)
	pa = a.start()
	eventually(t, 30*time.Second, "two connections again", func() bool { return len(x.Connections().Open) == 2 })
	reach(0.8)
	pb.kill()
	goesOn(t, table, o.outage/4)
	pb = b.start()
	reach(1)

	a.repaired(pa)
	b.repaired(pb)
	until := time.Now().Add(-recent)
	pa.stop(syscall.SIGTERM)
	pb.stop(syscall.SIGTERM)
	owed, repeats := a.check(table, opened, until)
	b.noDeadLetters()
	if repeats > 0 {
		t.Errorf("%d repeats", repeats)
	}
	t.Logf("%d Posts owed in %.0f s, one host away for %.0f s and the other for %.0f s: none is there twice", owed, until.Sub(opened).Seconds(), o.outage.Seconds(), (o.outage / 4).Seconds())
}

// goesOn fails the test unless new Posts reach the table all the time.
func goesOn(t *testing.T, table postgres, while time.Duration) {
	t.Helper()
	most := time.Duration(0)
	for end := time.Now().Add(while); time.Now().Before(end); time.Sleep(time.Second) {
		most = max(most, time.Since(table.newest(t)))
	}
	if most > recent {
		t.Errorf("for %s nothing new was in the table", most)
	}
}
