package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// screen shows the demo: lines that stay, and under them one line of progress
// that is written over where the output is a terminal.
type screen struct {
	metrics *demoMetrics

	mu       sync.Mutex
	out      io.Writer
	terminal bool
	shown    bool // a line of progress is on the screen
	last     time.Duration
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, metrics: &demoMetrics{values: map[string]float64{}}}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		s.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return s
}

const eraseLine = "\r\x1b[K"

// printf writes a line that stays.
func (s *screen) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown {
		fmt.Fprint(s.out, eraseLine)
		s.shown = false
	}
	fmt.Fprintf(s.out, format, args...)
}

// everyLine is how often progress is written where lines cannot be replaced.
const everyLine = 5 * time.Second

func (s *screen) progress(elapsed time.Duration, published, delivered int) {
	m := s.metrics
	state := "up"
	if m.value("x_stream_connections_up") == 0 {
		state = "DOWN"
	}
	line := fmt.Sprintf("%3.0f s  connection %-4s  %5.0f Posts/s  published %d  in the file %d  (live %.0f, backfill %.0f)  duplicates dropped %d",
		elapsed.Seconds(), state, m.rate(time.Now()), published, delivered,
		m.value("x_stream_events/live"), m.value("x_stream_events/backfill"), m.duplicates())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.terminal:
		fmt.Fprint(s.out, eraseLine+line)
		s.shown = true
	case elapsed-s.last >= everyLine:
		s.last = elapsed
		fmt.Fprintln(s.out, line)
	}
}

// logger shows what xconnect itself says of its connections.
func (s *screen) logger() *slog.Logger { return slog.New(screenLog{screen: s}) }

type screenLog struct {
	*screen
	attrs []slog.Attr
}

func (screenLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (s screenLog) Handle(_ context.Context, r slog.Record) error {
	attrs := slices.Clone(s.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	line, ours := r.Message, false
	for _, a := range attrs {
		switch a.Key {
		case "stream":
			ours = true
		case "reason", "next_attempt_in", "backfill_minutes", "seconds":
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		}
	}
	// Benthos says the same again, of its components.
	if ours {
		s.printf("  xconnect: %s\n", line)
	}
	return nil
}

func (s screenLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	s.attrs = append(slices.Clone(s.attrs), attrs...)
	return s
}

func (s screenLog) WithGroup(string) slog.Handler { return s }

// demoMetrics is a Benthos metrics exporter that keeps the values of x_stream
// for the line of progress.
type demoMetrics struct {
	mu        sync.Mutex
	values    map[string]float64
	connected time.Time
	ratedAt   time.Time
	rated     float64
}

func (m *demoMetrics) add(name string, by float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] += by
}

func (m *demoMetrics) set(name string, to float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] = to
	if name == "x_stream_connections_up" && to > 0 && m.connected.IsZero() {
		m.connected = time.Now()
	}
}

func (m *demoMetrics) value(name string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[name]
}

func (m *demoMetrics) duplicates() int { return int(m.value("x_stream_duplicates")) }

// firstConnected is when the first connection came up, and zero before.
func (m *demoMetrics) firstConnected() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connected
}

// rate is the events a second since the last call.
func (m *demoMetrics) rate(now time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	total := m.values["x_stream_events/live"] + m.values["x_stream_events/backfill"]
	rate := (total - m.rated) / now.Sub(m.ratedAt).Seconds()
	m.rated, m.ratedAt = total, now
	return rate
}

// labelled is the name of a metric, with its source where it has one.
func labelled(name string, keys, values []string) string {
	for i, k := range keys {
		if k == "source" && i < len(values) {
			name += "/" + values[i]
		}
	}
	return name
}

// NewCounterCtor implements service.MetricsExporter.
func (m *demoMetrics) NewCounterCtor(name string, keys ...string) service.MetricsExporterCounterCtor {
	return func(values ...string) service.MetricsExporterCounter {
		return demoCounter{m, labelled(name, keys, values)}
	}
}

// NewGaugeCtor implements service.MetricsExporter.
func (m *demoMetrics) NewGaugeCtor(name string, keys ...string) service.MetricsExporterGaugeCtor {
	return func(values ...string) service.MetricsExporterGauge {
		return demoGauge{m, labelled(name, keys, values)}
	}
}

// NewTimerCtor implements service.MetricsExporter; the demo shows no timings.
func (m *demoMetrics) NewTimerCtor(string, ...string) service.MetricsExporterTimerCtor {
	return func(...string) service.MetricsExporterTimer { return demoTimer{} }
}

// Close implements service.MetricsExporter.
func (m *demoMetrics) Close(context.Context) error { return nil }

type demoCounter struct {
	m    *demoMetrics
	name string
}

func (c demoCounter) Incr(n int64) { c.m.add(c.name, float64(n)) }

type demoGauge struct {
	m    *demoMetrics
	name string
}

func (g demoGauge) Set(v int64) { g.m.set(g.name, float64(v)) }

type demoTimer struct{}

func (demoTimer) Timing(int64) {}
