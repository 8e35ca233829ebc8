package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/xconnect-dev/xconnect/tests/services"
)

// sink is where a pipeline of config/ writes to.
type sink struct {
	name   string
	config string
	posts  int // that a run writes
	start  func(testing.TB) store
}

var sinks = []sink{
	{"postgres", "filtered_to_postgres.yaml", 2000 * blockPosts, func(tb testing.TB) store {
		return postgres{services.StartPostgres(tb)}
	}},
	{"elasticsearch", "filtered_to_elasticsearch.yaml", 1000 * blockPosts, func(tb testing.TB) store {
		return elasticsearch{services.StartElasticsearch(tb)}
	}},
	// An object holds about 30,000.
	{"s3", "filtered_to_s3.yaml", 3000 * blockPosts, func(tb testing.TB) store {
		return s3{services.StartS3(tb)}
	}},
}

// BenchmarkSinks measures the pipelines of config/ into real servers: as they
// stand there, and with Benthos' generate for x_stream, which makes the same
// Posts out of nothing. The ratio says what the input costs, or keeps waiting.
// An operation is a Post.
//
// Pipeline and server share the machine, and both take part in the figures.
func BenchmarkSinks(b *testing.B) {
	binary := build(b)
	var rows bytes.Buffer
	t := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\nmedians of %d rounds\tPosts/s\tof generate\tin each round\tCPU ns/Post\tof generate\tPosts/batch\t\n", *rounds)
	for _, s := range sinks {
		b.Run(s.name, func(b *testing.B) {
			results := s.compete(b, binary)
			for _, name := range []string{nameXStream, nameGenerate} {
				own, rival := results[name], results[nameGenerate]
				b.Run(name, func(b *testing.B) {
					b.ReportMetric(1e9/median(own, perSecond), "ns/op")
					b.ReportMetric(median(own, perSecond), "Posts/s")
					b.ReportMetric(median(own, cpu), "cpu-ns/op")
					b.ReportMetric(middle(ratios(own, rival, perSecond)), "of-generate")
				})
				fmt.Fprintf(t, "%s/%s\t%.0f\t%.2f\t%.2f\t%.0f\t%.2f\t%.0f\t\n", s.name, name,
					median(own, perSecond), middle(ratios(own, rival, perSecond)), ratios(own, rival, perSecond),
					median(own, cpu), middle(ratios(own, rival, cpu)), median(own, batch))
			}
		})
	}
	t.Flush()
	_, _ = io.Copy(os.Stdout, &rows)
}

// compete measures both inputs in turns, and returns their figures by name and
// round. A run before that warms the server up, and does not count.
func (s sink) compete(b *testing.B, binary string) map[string][]figures {
	b.Helper()
	config, err := os.ReadFile(filepath.Join("../../config", s.config))
	if err != nil {
		b.Fatal(err)
	}
	generated, err := withInput(string(config), generate(variedPosts(), s.posts))
	if err != nil {
		b.Fatal(err)
	}
	to := s.start(b)
	if !to.Restartable() {
		b.Skip("it would remove what is in a server that is not ours")
	}
	env := append(to.Env(), "X_BASE_URL="+startServer(b, strconv.Itoa(s.posts)), "X_BEARER_TOKEN=x")
	pipelines := map[string]pipeline{
		nameXStream:  {binary, string(config), env, s.posts},
		nameGenerate: {binary, generated, env, s.posts},
	}
	pipelines[nameGenerate].measure(b, to)
	results := map[string][]figures{}
	turns := []string{nameXStream, nameGenerate}
	for range *rounds {
		for _, name := range turns {
			results[name] = append(results[name], pipelines[name].measure(b, to))
		}
		slices.Reverse(turns) // or one would always find the server as the other left it
	}
	return results
}

// measure runs a pipeline into an empty store, and makes sure that each Post
// has arrived there.
func (p pipeline) measure(b *testing.B, to store) figures {
	b.Helper()
	if err := to.clear(); err != nil {
		b.Fatal(err)
	}
	o := p.run(b)
	stored, err := to.stored()
	if err != nil {
		b.Fatalf("%v\n%s", err, o.log)
	}
	if n := total(stored); n != p.posts {
		b.Fatalf("%d different Posts in the sink, want %d\n%s", n, p.posts, o.log)
	}
	f, err := pace(o.samples, stored)
	if err != nil {
		b.Fatalf("%v\n%s", err, o.log)
	}
	f.cpu = float64(o.cpu) / float64(p.posts)
	return f
}

// pace is how fast Posts were acknowledged, from the first time that the samples
// show some to the last. stored has the Posts of each message. So neither the
// start counts nor the end, at which the rest of a batch waits for its period.
func pace(samples []sample, stored []int) (figures, error) {
	var rises []sample
	for last := 0; len(samples) > 0; samples = samples[1:] {
		if s := samples[0]; s.sent > last {
			rises = append(rises, s)
			last = s.sent
		}
	}
	if len(rises) < 2 {
		return figures{}, errors.New("too few acknowledgements for a measurement")
	}
	first, last := rises[0], rises[len(rises)-1]
	if last.sent > len(stored) {
		return figures{}, fmt.Errorf("%d messages were acknowledged, %d are stored", last.sent, len(stored))
	}
	posts := float64(total(stored[first.sent:last.sent]))
	return figures{
		perSecond: posts / last.at.Sub(first.at).Seconds(),
		batch:     posts / float64(last.batches-first.batches),
	}, nil
}

func total(numbers []int) (sum int) {
	for _, n := range numbers {
		sum += n
	}
	return sum
}

func TestPace(t *testing.T) {
	began := time.Now()
	at := func(seconds, sent, batches int) sample {
		return sample{began.Add(time.Duration(seconds) * time.Second), sent, batches}
	}
	stored := []int{1000, 2000, 1000, 3000, 500}
	got, err := pace([]sample{at(0, 0, 0), at(3, 1, 1), at(4, 1, 1), at(5, 2, 2), at(7, 4, 4), at(9, 4, 4)}, stored)
	if err != nil {
		t.Fatal(err)
	}
	if want := (figures{perSecond: 1500, batch: 2000}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for what, samples := range map[string][]sample{
		"a single acknowledgement": {at(0, 0, 0), at(3, 1, 1), at(4, 1, 1)},
		"more than is stored":      {at(3, 1, 1), at(4, 6, 6)},
	} {
		if _, err := pace(samples, stored); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
