package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	_ "github.com/xconnect-dev/xconnect/plugin"
)

// Names of the contenders that others are compared with.
const (
	nameXStream = "x_stream"
	nameEngine  = "engine"
	nameBare    = "bare_reader"
)

// contender is one way to get rid of Posts.
type contender struct {
	name string
	// warm is how many Posts pass before the measurement, for what fills up:
	// a window that is not full yet grows and forgets nothing.
	warm  int64
	start func(a arena) (*run, error)
}

// arena is what contenders run in.
type arena struct {
	newPosts, repeatedPosts string // URLs of the servers
	// batch is the batch size that x_stream had in this round, for a rival
	// without a socket that would set its own.
	batch int
}

// run is a contender at work.
type run struct {
	posts, batches func() int64
	stop           func() error
}

const million = 1_000_000

func contenders() []contender {
	return []contender{
		{nameXStream, million, func(a arena) (*run, error) {
			return runStream(xStream(a.newPosts, false, million), "", sent)
		}},
		{"x_stream_event_metadata", million, func(a arena) (*run, error) {
			return runStream(xStream(a.newPosts, true, million), "", sent)
		}},
		{"x_stream_10k_keys", million / 10, func(a arena) (*run, error) {
			return runStream(xStream(a.newPosts, false, million/100), "", sent)
		}},
		{"x_stream_2M_keys", 2 * million, func(a arena) (*run, error) {
			return runStream(xStream(a.newPosts, false, 2*million), "", sent)
		}},
		{"x_stream_redundant_copy", million / 10, func(a arena) (*run, error) {
			return runStream(xStream(a.repeatedPosts, false, million), "", "x_stream_duplicates")
		}},
		{nameEngine, million / 10, func(a arena) (*run, error) { return runEngine(a.batch, false) }},
		{"engine_same_messages", million / 10, func(a arena) (*run, error) { return runEngine(a.batch, true) }},
		{"http_client", million / 20, func(a arena) (*run, error) {
			return runStream(httpClient(a.newPosts), "", sent)
		}},
		{"http_client_dedupe", million / 50, func(a arena) (*run, error) {
			return runStream(httpClient(a.newPosts), dedupeByID, sent)
		}},
		{nameBare, million / 10, func(a arena) (*run, error) { return runBare(a.newPosts) }},
	}
}

// sent is Benthos' own count of the messages that an output has taken.
const sent = "output_sent"

func xStream(url string, eventMetadata bool, capacity int) string {
	return fmt.Sprintf(`
x_stream:
  base_url: %s
  bearer_token: x
  event_metadata: %t
  dedupe: {capacity: %d}
`, url, eventMetadata, capacity)
}

func httpClient(url string) string {
	return fmt.Sprintf(`
http_client:
  url: %s/2/tweets/search/stream
  stream:
    enabled: true
    scanner: {lines: {}}
`, url)
}

const dedupeByID = `
dedupe:
  cache: seen
  key: ${! json("data.id") }
`

// runStream runs a Benthos stream from an input to drop. counter is the metric
// that counts its Posts.
func runStream(input, processor, counter string) (*run, error) {
	return runIn(service.GlobalEnvironment().Clone(), input, processor, counter)
}

func runIn(env *service.Environment, input, processor, counter string) (*run, error) {
	m := newMeter()
	err := env.RegisterMetricsExporter("meter", service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Logger) (service.MetricsExporter, error) { return m, nil })
	if err != nil {
		return nil, err
	}
	b := env.NewStreamBuilder()
	b.SetLogger(slog.New(slog.DiscardHandler))
	steps := []func() error{
		func() error { return b.SetMetricsYAML(`meter: {}`) },
		func() error { return b.AddCacheYAML("label: seen\nmemory: {}") },
		func() error { return b.AddInputYAML(input) },
		func() error { return b.AddOutputYAML(`drop: {}`) },
	}
	if processor != "" {
		steps = append(steps, func() error { return b.AddProcessorYAML(processor) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	s, err := b.Build()
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	posts, batches := m.sum(counter), m.sum("output_batch_sent")
	return &run{posts: posts.Load, batches: batches.Load, stop: func() error {
		if err := s.StopWithin(10 * time.Second); err != nil {
			return err
		}
		return <-ended
	}}, nil
}

// runEngine runs a Benthos stream whose input costs nothing: what is left is
// the engine's own. With same, not even the messages are made anew.
func runEngine(batch int, same bool) (*run, error) {
	env := service.GlobalEnvironment().Clone()
	err := env.RegisterBatchInput("prepared", service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Resources) (service.BatchInput, error) {
			return newPrepared(batch, same), nil
		})
	if err != nil {
		return nil, err
	}
	return runIn(env, "prepared: {}", "", sent)
}

// prepared is an input that always has the next batch ready.
type prepared struct {
	bodies [][]byte
	same   service.MessageBatch // nil: messages are made anew for each batch
}

func newPrepared(batch int, same bool) *prepared {
	p := &prepared{bodies: make([][]byte, max(batch, 1))}
	for i := range p.bodies {
		p.bodies[i] = make([]byte, postBytes)
	}
	if same {
		p.same = p.messages()
	}
	return p
}

func (p *prepared) messages() service.MessageBatch {
	batch := make(service.MessageBatch, len(p.bodies))
	for i, body := range p.bodies {
		batch[i] = service.NewMessage(body)
	}
	return batch
}

func (p *prepared) Connect(context.Context) error { return nil }

func (p *prepared) ReadBatch(context.Context) (service.MessageBatch, service.AckFunc, error) {
	batch := p.same
	if batch == nil {
		batch = p.messages()
	}
	return batch, func(context.Context, error) error { return nil }, nil
}

func (p *prepared) Close(context.Context) error { return nil }

// runBare reads lines and throws them away, without Benthos.
func runBare(url string) (*run, error) {
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	transport := &http.Transport{DisableCompression: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		cancel()
		return nil, err
	}
	var lines atomic.Int64
	var reading sync.WaitGroup
	reading.Go(func() {
		r := bufio.NewReaderSize(res.Body, 64<<10)
		for {
			if _, err := r.ReadSlice('\n'); err != nil {
				return
			}
			lines.Add(1)
		}
	})
	return &run{posts: lines.Load, batches: func() int64 { return 0 }, stop: func() error {
		cancel()
		reading.Wait()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.Body.Close()
	}}, nil
}
