package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// nameGenerate is Benthos' own input that reads from nowhere.
const nameGenerate = "generate"

// generate makes the server's Posts, with the metadata of x_stream that
// pipelines use, in batches as large as x_stream's may be. Their IDs tell the
// second, for a time of a second is cheaper to write than one of a millisecond.
func generate(posts []string, count int) string {
	quoted := make([]string, len(posts))
	for i, line := range posts {
		quoted[i] = strconv.Quote(strings.TrimSpace(line))
	}
	mapping, err := json.Marshal(fmt.Sprintf(`
let second = timestamp_unix()
let n = count("posts")
let id = (($second * 1000 - %d) * %d + $n).string()
meta x_id = $id
meta x_created_at = $second.ts_format("2006-01-02T15:04:05.000Z07:00", "UTC")
meta x_source = "live"
root = [%s].index($n %% %d).replace_all(%q, $id)
`, idEpoch, 1<<idTimeShift, strings.Join(quoted, ", "), len(posts), idDigits))
	if err != nil {
		panic(err) // a string is JSON
	}
	return fmt.Sprintf(`
generate:
  interval: ""
  count: %d
  batch_size: 1000
  mapping: %s
`, count, mapping)
}

// inputOf finds the input of a config.
var inputOf = regexp.MustCompile(`(?m)^input:\n(?:(?: .*)?\n)*`)

// withInput replaces the input of a config, and nothing else.
func withInput(config, input string) (string, error) {
	if n := len(inputOf.FindAllString(config, -1)); n != 1 {
		return "", fmt.Errorf("the config has %d inputs", n)
	}
	input = "input:\n  " + strings.ReplaceAll(strings.TrimSpace(input), "\n", "\n  ") + "\n\n"
	return inputOf.ReplaceAllLiteralString(config, input), nil
}

// What both inputs hand to a pipeline must be the same, or their throughput
// could not be compared.
func TestGeneratedPosts(t *testing.T) {
	const rounds = 2
	want := map[string]int{}
	for _, line := range variedPosts() {
		want[strings.TrimSpace(line)] += rounds
	}
	n := rounds * blockPosts
	for name, input := range map[string]string{
		nameXStream:  xStream(startServer(t, strconv.Itoa(n)), true, million),
		nameGenerate: generate(variedPosts(), n),
	} {
		t.Run(name, func(t *testing.T) {
			got, ids := map[string]int{}, map[string]bool{}
			for _, m := range read(t, input, n) {
				meta := func(key string) string { value, _ := m.MetaGet(key); return value }
				body, err := m.AsBytes()
				if err != nil {
					t.Fatal(err)
				}
				id := meta("x_id")
				ids[id] = true
				got[strings.ReplaceAll(string(body), id, idDigits)]++

				number, err := strconv.ParseInt(id, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				created := time.UnixMilli(number>>idTimeShift + idEpoch)
				if at := created.UTC().Format("2006-01-02T15:04:05.000Z"); meta("x_created_at") != at {
					t.Fatalf("Post %s of %s has x_created_at %s", id, at, meta("x_created_at"))
				}
				if age := time.Since(created); age < 0 || age > time.Minute {
					t.Fatalf("Post %s is %s old", id, age)
				}
				if meta("x_source") != "live" {
					t.Fatalf("Post %s has x_source %s", id, meta("x_source"))
				}
			}
			if len(ids) != n {
				t.Errorf("%d different IDs, want %d", len(ids), n)
			}
			if !maps.Equal(got, want) {
				t.Errorf("other Posts than prepared: %.3000q", slices.Collect(maps.Keys(got)))
			}
		})
	}
}

// read returns the first n messages of an input.
func read(t *testing.T, input string, n int) []*service.Message {
	t.Helper()
	b := service.NewStreamBuilder()
	b.SetLogger(slog.New(slog.DiscardHandler))
	messages := make(chan *service.Message, 2*n)
	for _, err := range []error{
		b.AddInputYAML(input),
		b.AddConsumerFunc(func(_ context.Context, m *service.Message) error { messages <- m; return nil }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	var all []*service.Message
	for len(all) < n {
		select {
		case m := <-messages:
			all = append(all, m)
		case <-time.After(time.Minute):
			t.Fatalf("%d messages, want %d", len(all), n)
		}
	}
	if err := s.StopWithin(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return all
}

// The configs differ in nothing but the input.
func TestWithInput(t *testing.T) {
	got, err := withInput("# Head.\n\ninput:\n  a:\n    b: c\n\n    d: e\n\n# More.\noutput: {}\n", "x:\n  y: z\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := "# Head.\n\ninput:\n  x:\n    y: z\n\n# More.\noutput: {}\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := withInput("output: {}\n", "x: {}"); err == nil {
		t.Error("a config without an input is accepted")
	}
}
