package plugin

import (
	"strings"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/ingest"
)

// metrics turns what ingest observes into Benthos metrics.
type metrics struct {
	up, queue, inFlight, lag, open, undelivered *service.MetricGauge
	events, duplicates, reconnects              *service.MetricCounter
	oversized, malformed, rejected              *service.MetricCounter
	waited, lost, repaired                      seconds
	gaps, searched, jobs, age, budget           *service.MetricGauge
}

// seconds is a counter of time. Not every exporter keeps fractions, so it
// counts whole seconds of the total, rounded up: the shortest loss shows.
type seconds struct {
	counter *service.MetricCounter

	mu    sync.Mutex
	total map[string]time.Duration // by labels
}

func (s *seconds) add(d time.Duration, labels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raise(s.total[strings.Join(labels, "/")]+d, labels)
}

func (s *seconds) set(total time.Duration, labels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raise(total, labels)
}

func (s *seconds) raise(total time.Duration, labels []string) {
	if s.total == nil {
		s.total = map[string]time.Duration{}
	}
	key := strings.Join(labels, "/")
	whole := func(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
	if by := whole(total) - whole(s.total[key]); by > 0 {
		s.counter.Incr(by, labels...)
	}
	s.total[key] = total
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
		duplicates:  m.NewCounter("x_stream_duplicates", partition, "source"),
		reconnects:  m.NewCounter("x_stream_reconnects", partition, "reason"),
		waited:      seconds{counter: m.NewCounter("x_stream_wait_seconds", partition)},
		lost:        seconds{counter: m.NewCounter("x_stream_gap_lost_seconds", partition, "reason")},
		repaired:    seconds{counter: m.NewCounter("x_stream_gap_repaired_seconds", partition, "method")},
		gaps:        m.NewGauge("x_stream_gaps_open", partition),
		searched:    m.NewGauge("x_stream_gap_searched_seconds", partition),
		jobs:        m.NewGauge("x_stream_repair_jobs", "method"),
		age:         m.NewGauge("x_stream_checkpoint_age_seconds", partition),
		budget:      m.NewGauge("x_stream_connects_left"),
		oversized:   m.NewCounter("x_stream_oversized_lines", partition),
		malformed:   m.NewCounter("x_stream_malformed_lines", partition),
		rejected:    m.NewCounter("x_stream_rejected_events"),
	}
}

func (m *metrics) Connected(partition, up int) { m.up.Set(int64(up), partitionName(partition)) }

func (m *metrics) Reconnecting(partition int, reason string, wait time.Duration) {
	p := partitionName(partition)
	m.reconnects.Incr(1, p, reason)
	m.waited.add(wait, p)
}

func (m *metrics) Waited(partition int, d time.Duration) { m.waited.add(d, partitionName(partition)) }

func (m *metrics) Arrived(partition int, c delivery.Counts) {
	p := partitionName(partition)
	for source := range delivery.NumSources {
		count(m.events, c.New[source], p, source.String())
		count(m.duplicates, c.Duplicates[source], p, source.String())
	}
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

func (m *metrics) Accounted(partition int, a ingest.Status) {
	p := partitionName(partition)
	m.gaps.Set(int64(a.Gaps), p)
	m.open.SetFloat64(a.Open.Seconds(), p)
	m.undelivered.SetFloat64(a.At.Sub(a.DeliveredUntil).Seconds(), p)
	if !a.Saved.IsZero() {
		m.age.SetFloat64(a.At.Sub(a.Saved).Seconds(), p)
	}
	m.searched.SetFloat64(a.Searched.Seconds(), p)
	for reason, d := range a.Lost {
		m.lost.set(d, p, reason)
	}
}

func (m *metrics) Repaired(partition int, method string, closed time.Duration) {
	m.repaired.add(closed, partitionName(partition), method)
}

func (m *metrics) Repairing(jobs map[string]int) {
	for method, n := range jobs {
		m.jobs.Set(int64(n), method)
	}
}

func (m *metrics) Left(connects int) { m.budget.Set(int64(connects)) }

func (m *metrics) Buffered(queued, inFlight int64) {
	m.queue.Set(queued)
	m.inFlight.Set(inFlight)
}

func (m *metrics) Rejected(events int) { m.rejected.Incr(int64(events)) }
