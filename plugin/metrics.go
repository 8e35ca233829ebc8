package plugin

import (
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/ingest"
)

// metrics turns what ingest observes into Benthos metrics.
type metrics struct {
	up, queue, inFlight, lag, open, undelivered  *service.MetricGauge
	events, duplicates, reconnects, waited, lost *service.MetricCounter
	oversized, malformed, rejected               *service.MetricCounter

	mu       sync.Mutex
	lostSeen map[string]float64 // by partition and reason
}

var _ ingest.Observer = (*metrics)(nil)

func newMetrics(m *service.Metrics) *metrics {
	const partition = "partition"
	return &metrics{
		up:          m.NewGauge("x_stream_connections_up", partition),
		queue:       m.NewGauge("x_stream_queue_bytes"),
		inFlight:    m.NewGauge("x_stream_in_flight_bytes"),
		lag:         m.NewGauge("x_stream_lag_seconds", partition),
		open:        m.NewGauge("x_stream_gap_open_seconds", partition),
		undelivered: m.NewGauge("x_stream_undelivered_seconds", partition),
		events:      m.NewCounter("x_stream_events", partition, "source"),
		duplicates:  m.NewCounter("x_stream_duplicates", partition),
		reconnects:  m.NewCounter("x_stream_reconnects", partition, "reason"),
		waited:      m.NewCounter("x_stream_wait_seconds", partition),
		lost:        m.NewCounter("x_stream_gap_lost_seconds", partition, "reason"),
		oversized:   m.NewCounter("x_stream_oversized_lines", partition),
		malformed:   m.NewCounter("x_stream_malformed_lines", partition),
		rejected:    m.NewCounter("x_stream_rejected_events"),
		lostSeen:    map[string]float64{},
	}
}

func (m *metrics) Connected(partition, by int) { m.up.Incr(int64(by), partitionName(partition)) }

func (m *metrics) Reconnecting(partition int, reason string, wait time.Duration) {
	p := partitionName(partition)
	m.reconnects.Incr(1, p, reason)
	m.waited.IncrFloat64(wait.Seconds(), p)
}

func (m *metrics) Arrived(partition int, c ingest.Counts) {
	p := partitionName(partition)
	for _, source := range ingest.Sources() {
		count(m.events, c.New[source], p, source.String())
	}
	count(m.duplicates, c.Duplicates, p)
	count(m.oversized, c.Oversized, p)
	count(m.malformed, c.Malformed, p)
	if c.Lag != 0 {
		m.lag.SetFloat64(c.Lag.Seconds(), p)
	}
}

func count(c *service.MetricCounter, n int, labels ...string) {
	if n > 0 {
		c.Incr(int64(n), labels...)
	}
}

func (m *metrics) Accounted(partition int, a ingest.Account) {
	p := partitionName(partition)
	m.open.SetFloat64(a.Open.Seconds(), p)
	m.undelivered.SetFloat64(time.Since(a.DeliveredUntil).Seconds(), p)
	m.mu.Lock()
	defer m.mu.Unlock()
	for reason, d := range a.Lost {
		key := p + "/" + reason
		m.lost.IncrFloat64(d.Seconds()-m.lostSeen[key], p, reason)
		m.lostSeen[key] = d.Seconds()
	}
}

func (m *metrics) Held(queued, inFlight int64) {
	m.queue.Set(queued)
	m.inFlight.Set(inFlight)
}

func (m *metrics) Rejected(events int) { m.rejected.Incr(int64(events)) }
