package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// world is a bubble of simulated time in which a Benthos stream with x_stream
// reads from a simulated X, over connections in memory.
type world struct {
	*testing.T
	sim     *simulator.Simulator
	network *simulator.MemoryListener
	log     logs
	sink    sink
	gauges  gauges
	began   time.Time
	base    string // the input's base_url
	stream  string
	// In YAML: the sink's batching policy, the input's credentials, and a
	// cache resource, if there is to be one.
	batching, credentials, cache string
}

// inWorld runs test in a bubble with an X of that config.
func inWorld(t *testing.T, x simulator.Config, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble begins in 2000, before there were Posts.
		time.Sleep(time.Until(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)))
		sim, err := simulator.New(x)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{T: t, sim: sim, network: sim.ListenMemory(), began: time.Now(), base: "http://127.0.0.1", stream: "filtered", batching: "{}", credentials: "bearer_token: simulator"}
		ctx, stop := context.WithCancel(context.Background())
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := sim.Serve(ctx, w.network); err != nil {
				t.Error(err)
			}
		})
		defer serving.Wait()
		defer stop()
		test(w)
	})
}

// build makes a stream from x_stream with extra fields, through processors
// (YAML lists, may be empty), to the world's sink.
func (w *world) build(fields, processors string) (*service.Stream, error) {
	w.Helper()
	env := service.GlobalEnvironment().Clone()
	for _, err := range []error{
		env.RegisterBatchInput(InputName, inputSpec(), inputConstructor(w.network.Dial)),
		env.RegisterBatchOutput("sink", service.NewConfigSpec().Field(service.NewBatchPolicyField("batching")),
			func(conf *service.ParsedConfig, _ *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
				policy, err := conf.FieldBatchPolicy("batching")
				return &w.sink, policy, 64, err
			}),
		env.RegisterMetricsExporter("gauges", service.NewConfigSpec(),
			func(*service.ParsedConfig, *service.Logger) (service.MetricsExporter, error) { return &w.gauges, nil }),
	} {
		if err != nil {
			w.Fatal(err)
		}
	}
	b := env.NewStreamBuilder()
	b.SetLogger(slog.New(&w.log))
	config := fmt.Sprintf("x_stream:\n  base_url: %s\n  stream: %s\n", w.base, w.stream) + indent(w.credentials) + indent(fields)
	for _, err := range []error{
		b.SetMetricsYAML("gauges: {}"),
		b.AddInputYAML(config),
		b.AddOutputYAML("sink:\n  batching: " + w.batching),
	} {
		if err != nil {
			return nil, err
		}
	}
	if w.cache != "" {
		if err := b.AddCacheYAML(w.cache); err != nil {
			return nil, err
		}
	}
	if processors != "" {
		if err := b.AddProcessorYAML(processors); err != nil {
			return nil, err
		}
	}
	return b.Build()
}

// pipeline builds a stream and starts it. It is stopped at the end of the
// test, or by the function that it returns.
func (w *world) pipeline(fields, processors string) (stop func()) {
	w.Helper()
	stream, err := w.build(fields, processors)
	if err != nil {
		w.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := stream.Run(context.Background()); err != nil {
			w.Error(err)
		}
	})
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := stream.Stop(ctx); err != nil {
			w.Errorf("stopping the stream: %v", err)
		}
		running.Wait()
	})
	w.Cleanup(stop)
	return stop
}

// refused starts a stream that must not run, and returns why it does not.
func (w *world) refused(fields string) error {
	w.Helper()
	stream, err := w.build(fields, "")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return stream.Run(ctx)
}

func indent(yaml string) string {
	if yaml == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(strings.TrimSpace(yaml), "\n", "\n  ") + "\n"
}

// fault breaks X now.
func (w *world) fault(f simulator.Fault) {
	w.Helper()
	if _, err := w.sim.Break(f); err != nil {
		w.Fatal(err)
	}
}

// outage breaks X now, waits until messages come again, and leaves delivery
// alone for a while.
func (w *world) outage(faults ...simulator.Fault) {
	w.Helper()
	for _, f := range faults {
		w.fault(f)
	}
	w.resumed()
	time.Sleep(between)
}

// expected are the IDs that must have been delivered between two moments, of
// which there must be some.
func (w *world) expected(from, to time.Time) []string {
	w.Helper()
	all := w.published(from, to)
	if len(all) == 0 {
		w.Fatal("nothing was published: the test proves nothing")
	}
	return all
}

// published are the IDs that X delivered between two moments.
func (w *world) published(from, to time.Time) []string {
	w.Helper()
	ids, err := w.sim.Expected(w.stream, 0, from, to)
	if err != nil {
		w.Fatal(err)
	}
	var all []string
	for id := range ids {
		all = append(all, strconv.FormatUint(id, 10))
	}
	return all
}

// missing fails the test unless the sink has every ID that was delivered
// between two moments, and says which it has not.
func (w *world) missing(from, to time.Time) {
	w.Helper()
	have := w.sink.ids()
	want := w.expected(from, to)
	lost := 0
	for _, id := range want {
		if have[id] == 0 {
			if lost++; lost <= 3 {
				n, _ := strconv.ParseUint(id, 10, 64)
				created := time.UnixMilli(int64(n>>22) + 1288834974657)
				w.Errorf("Post %s, created %v after the beginning, is missing", id, created.Sub(w.began))
			}
		}
	}
	if lost > 0 {
		w.Errorf("%d of %d Posts are missing; log:\n%s", lost, len(want), w.log.String())
	}
}

// repeated is the number of messages at the sink beyond the first of each ID.
func (w *world) repeated() int {
	n := 0
	for _, times := range w.sink.ids() {
		n += times - 1
	}
	return n
}

// noRepeats fails the test if a message reached the sink more than once.
func (w *world) noRepeats() {
	w.Helper()
	if n := w.repeated(); n != 0 {
		w.Errorf("%d repeats", n)
	}
}

// sink is an output that keeps count, and that fails when it is told to.
type sink struct {
	mu       sync.Mutex
	seen     map[string]int
	taken    int                            // messages
	last     time.Time                      // when one came
	silence  time.Duration                  // the longest between two
	refuse   func(m *service.Message) error // nil: takes all
	held     chan struct{}                  // nil, or closed when writing may go on
	keep     bool
	messages []*service.Message // with keep
}

// Connect and Close implement service.BatchOutput.
func (*sink) Connect(context.Context) error { return nil }
func (*sink) Close(context.Context) error   { return nil }

// WriteBatch implements service.BatchOutput. Like an output that writes in
// bulk, it takes what it can and names what it refused.
func (s *sink) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	if now := time.Now(); !s.last.IsZero() {
		s.silence = max(s.silence, now.Sub(s.last))
	}
	s.last = time.Now()
	var refused *service.BatchError
	for i, m := range batch {
		if s.refuse != nil {
			if err := s.refuse(m); err != nil {
				if refused == nil {
					refused = service.NewBatchError(batch, err)
				}
				refused.Failed(i, err)
				continue
			}
		}
		s.seen[meta(m, metaID)]++
		s.taken++
		if s.keep {
			s.messages = append(s.messages, m)
		}
	}
	if refused != nil {
		return refused
	}
	return nil
}

// hold makes writes wait until release is called.
func (s *sink) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.held)
		s.held = nil
	}
}

func (s *sink) refuseWith(f func(m *service.Message) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

func (s *sink) ids() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make(map[string]int, len(s.seen))
	for id, n := range s.seen {
		ids[id] = n
	}
	return ids
}

// longestSilence is the longest time between two messages.
func (s *sink) longestSilence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silence
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// logs keeps what a stream logs at INFO and above.
type logs struct {
	mu    sync.Mutex
	lines []string
	attrs []slog.Attr
	root  *logs
}

func (l *logs) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l *logs) Handle(_ context.Context, r slog.Record) error {
	line := fmt.Sprintf("%s %-5s %s", r.Time.Format("15:04:05.000"), r.Level, r.Message)
	for _, a := range l.attrs {
		if a.Key != "@service" && a.Key != "path" && a.Key != "label" {
			line += " " + a.String()
		}
	}
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	root := l
	if l.root != nil {
		root = l.root
	}
	root.mu.Lock()
	defer root.mu.Unlock()
	root.lines = append(root.lines, line)
	return nil
}

func (l *logs) WithAttrs(attrs []slog.Attr) slog.Handler {
	root := l
	if l.root != nil {
		root = l.root
	}
	return &logs{attrs: append(append([]slog.Attr(nil), l.attrs...), attrs...), root: root}
}

func (l *logs) WithGroup(string) slog.Handler { return l }

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// matching are the lines that contain text.
func (l *logs) matching(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			all = append(all, line)
		}
	}
	return all
}

func meta(m *service.Message, key string) string {
	v, _ := m.MetaGet(key)
	return v
}
