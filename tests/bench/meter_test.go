package bench

import (
	"context"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// meter is a Benthos metrics exporter that sums counters over their labels,
// so that every stream is counted in the same way: by the engine, at its
// output, once a batch.
type meter struct {
	mu   sync.Mutex
	sums map[string]*sum
}

type sum struct{ atomic.Int64 }

func (s *sum) Incr(n int64) { s.Add(n) }

func newMeter() *meter { return &meter{sums: map[string]*sum{}} }

func (m *meter) sum(name string) *sum {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sums[name]
	if s == nil {
		s = &sum{}
		m.sums[name] = s
	}
	return s
}

// NewCounterCtor implements service.MetricsExporter.
func (m *meter) NewCounterCtor(name string, _ ...string) service.MetricsExporterCounterCtor {
	s := m.sum(name)
	return func(...string) service.MetricsExporterCounter { return s }
}

// NewTimerCtor implements service.MetricsExporter.
func (m *meter) NewTimerCtor(string, ...string) service.MetricsExporterTimerCtor {
	return func(...string) service.MetricsExporterTimer { return ignored{} }
}

// NewGaugeCtor implements service.MetricsExporter.
func (m *meter) NewGaugeCtor(string, ...string) service.MetricsExporterGaugeCtor {
	return func(...string) service.MetricsExporterGauge { return ignored{} }
}

// Close implements service.MetricsExporter.
func (m *meter) Close(context.Context) error { return nil }

type ignored struct{}

func (ignored) Timing(int64) {}
func (ignored) Set(int64)    {}

// reading is the state of all counters at a moment. The difference of two is
// what happened between them.
type reading struct {
	at      time.Time
	posts   int64
	batches int64
	cpu     time.Duration // of this process, in user and system mode
	objects uint64        // allocated
	bytes   uint64        // allocated
}

func take(r *run) (reading, error) {
	heap := []metrics.Sample{
		{Name: "/gc/heap/allocs:objects"},
		{Name: "/gc/heap/tiny/allocs:objects"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(heap)
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return reading{}, err
	}
	return reading{
		at:      time.Now(),
		posts:   r.posts(),
		batches: r.batches(),
		cpu:     time.Duration(used.Utime.Nano() + used.Stime.Nano()),
		objects: heap[0].Value.Uint64() + heap[1].Value.Uint64(),
		bytes:   heap[2].Value.Uint64(),
	}, nil
}

// figures are what a measurement says of one Post.
type figures struct {
	perSecond float64 // Posts
	cpu       float64 // ns a Post
	objects   float64 // allocated a Post
	bytes     float64 // allocated a Post
	batch     float64 // Posts in a batch; 0: nothing was handed to the output
}

func between(from, to reading) figures {
	posts := float64(to.posts - from.posts)
	f := figures{
		perSecond: posts / to.at.Sub(from.at).Seconds(),
		cpu:       float64(to.cpu-from.cpu) / posts,
		objects:   float64(to.objects-from.objects) / posts,
		bytes:     float64(to.bytes-from.bytes) / posts,
	}
	if batches := to.batches - from.batches; batches > 0 {
		f.batch = posts / float64(batches)
	}
	return f
}
