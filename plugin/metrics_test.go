package plugin

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/ingest"
)

// gauges keeps the highest value of each, by name.
type gauges struct {
	mu    sync.Mutex
	peaks map[string]float64
}

func (g *gauges) set(name string, v float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.peaks == nil {
		g.peaks = map[string]float64{}
	}
	g.peaks[name] = max(g.peaks[name], v)
}

// peak is the highest value that was set; it fails if none was.
func (g *gauges) peak(t *testing.T, name string) float64 {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	v, ok := g.peaks[name]
	if !ok {
		t.Errorf("%s was never set", name)
	}
	return v
}

func (g *gauges) NewGaugeCtor(name string, _ ...string) service.MetricsExporterGaugeCtor {
	return func(...string) service.MetricsExporterGauge { return gauge{g, name} }
}

func (*gauges) NewCounterCtor(string, ...string) service.MetricsExporterCounterCtor {
	return func(...string) service.MetricsExporterCounter { return unread{} }
}

func (*gauges) NewTimerCtor(string, ...string) service.MetricsExporterTimerCtor {
	return func(...string) service.MetricsExporterTimer { return unread{} }
}

func (*gauges) Close(context.Context) error { return nil }

type gauge struct {
	all  *gauges
	name string
}

func (g gauge) Set(v int64)          { g.SetFloat64(float64(v)) }
func (g gauge) SetFloat64(v float64) { g.all.set(g.name, v) }

type unread struct{}

func (unread) Incr(int64)   {}
func (unread) Timing(int64) {}

// The account goes by X's clock, and so must what is told of it: on a machine
// whose clock is an hour behind, nothing is undelivered for minus an hour.
func TestUndeliveredGoesByXsClock(t *testing.T) {
	seen := &gauges{}
	env := service.NewEnvironment()
	if err := env.RegisterMetricsExporter("gauges", service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Logger) (service.MetricsExporter, error) { return seen, nil }); err != nil {
		t.Fatal(err)
	}
	if err := env.RegisterBatchInput("observed", service.NewConfigSpec(),
		func(_ *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
			at := time.Now().Add(time.Hour)
			newMetrics(res.Metrics()).Accounted(0, ingest.Status{Status: account.Status{At: at, DeliveredUntil: at.Add(-3 * time.Second)}})
			return &fourMessages{}, nil
		}); err != nil {
		t.Fatal(err)
	}
	b := env.NewStreamBuilder()
	for _, err := range []error{
		b.SetMetricsYAML("gauges: {}"),
		b.SetLoggerYAML("level: off"),
		b.AddInputYAML("observed: {}"),
		b.AddOutputYAML("drop: {}"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	runToEnd(t, b)
	if got := seen.peak(t, "x_stream_undelivered_seconds"); got != 3 {
		t.Errorf("undelivered for %v s, want 3", got)
	}
}
