package plugin

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/ingest"
)

// gauges keeps what is set, by name.
type gauges struct {
	values sync.Map
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
func (g gauge) SetFloat64(v float64) { g.all.values.Store(g.name, v) }

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
			newMetrics(res.Metrics()).Accounted(0, ingest.Account{At: at, DeliveredUntil: at.Add(-3 * time.Second)})
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
	stream, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := stream.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got, _ := seen.values.Load("x_stream_undelivered_seconds"); got != 3.0 {
		t.Errorf("undelivered for %v s, want 3", got)
	}
}
