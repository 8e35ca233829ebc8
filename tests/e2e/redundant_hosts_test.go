package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
	"github.com/xconnect-dev/xconnect/tests/services"
)

// shared is the sink of two hosts, with the Redis that has their checkpoints.
type shared struct {
	postgres
	redis *services.Redis
}

func (s shared) Env() []string { return append(s.postgres.Env(), s.redis.Env()...) }

// While one of two hosts is away the other goes on, and nothing is late. Each
// repairs its own gaps, and no Post is there twice.
func TestRedundantHosts(t *testing.T) {
	long(t)
	t.Parallel()
	o := outline{posts: 40_000, rate: 250, outage: time.Minute}.sized()
	table := shared{startPostgres(t, "redundant_hosts"), services.StartRedis(t)}
	x := startX(t, simulator.Config{Rate: o.rate, MaxLateness: 5 * time.Second, SendBuffer: 256 << 20})
	host := func(key string) *shipped {
		return &shipped{T: t, x: x, sink: table, dir: t.TempDir(), key: key, shutdown: 20 * time.Second}
	}
	a, b := host("host_a"), host("host_b")
	pa := a.start()
	opened := x.firstOpened().Add(500 * time.Millisecond)
	pb := b.start()
	eventually(t, 30*time.Second, "two connections", func() bool { return len(x.Connections().Open) == 2 })
	length := time.Duration(float64(o.posts) / o.rate * float64(time.Second))
	reach := func(share float64) { time.Sleep(time.Until(opened.Add(time.Duration(share * float64(length))))) }

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
	owed, repeats := a.check(opened, until)
	if repeats > 0 {
		t.Errorf("%d repeats", repeats)
	}
	t.Logf("%d Posts owed in %.0f s, one host away for %.0f s and the other for %.0f s: none is there twice", owed, until.Sub(opened).Seconds(), o.outage.Seconds(), (o.outage / 4).Seconds())
}

// goesOn fails the test unless new Posts reach the table all the time.
func goesOn(t *testing.T, table shared, while time.Duration) {
	t.Helper()
	most := time.Duration(0)
	for end := time.Now().Add(while); time.Now().Before(end); time.Sleep(time.Second) {
		most = max(most, time.Since(table.newest(t)))
	}
	if most > 15*time.Second {
		t.Errorf("for %s nothing new was in the table", most)
	}
}
