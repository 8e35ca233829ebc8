// Package bench measures how many Posts a second x_stream carries, beside
// what else could carry them: Benthos' http_client, with its dedupe processor
// and without, Benthos itself with an input that costs nothing, and a loop
// that reads lines and throws them away.
//
// All read the same response of 1.9 KB Posts over loopback from a server in
// a process of its own, in turns, several rounds in one run. Only the ratios
// mean anything beyond the machine. Nothing here passes or fails by a time.
//
// BenchmarkSinks does the same with the built binary, the pipelines of config/
// and real servers behind them.
package bench

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

var (
	rounds  = flag.Int("rounds", 3, "how often each contender is measured; its figures are the medians")
	measure = flag.Duration("measure", 2*time.Second, "how long each contender is measured in a round")
	only    = flag.String("contenders", "", "regular expression of the contenders to run; default: all")
)

// BenchmarkPosts reports each contender's medians, an operation being a Post.
// A CPU profile (-cpuprofile) has the label "contender".
func BenchmarkPosts(b *testing.B) {
	wanted, err := regexp.Compile(*only)
	if err != nil {
		b.Fatal(err)
	}
	running := slices.DeleteFunc(contenders(), func(c contender) bool { return !wanted.MatchString(c.name) })
	results := compete(b, running)
	for _, c := range running {
		of := func(get figure) float64 { return median(results[c.name], get) }
		b.Run(c.name, func(b *testing.B) {
			b.ReportMetric(1e9/of(perSecond), "ns/op")
			b.ReportMetric(of(objects), "allocs/op")
			b.ReportMetric(of(allocated), "B/op")
			b.ReportMetric(of(perSecond), "Posts/s")
			b.ReportMetric(of(cpu), "cpu-ns/op")
		})
	}
	table(os.Stdout, running, results)
}

// compete measures the contenders in turns, and returns their figures by name
// and round.
func compete(b *testing.B, running []contender) map[string][]figures {
	a := arena{newPosts: startServer(b, serveNew), repeatedPosts: startServer(b, serveRepeated), batch: usualBatch}
	results := map[string][]figures{}
	for range *rounds {
		for _, c := range running {
			pprof.Do(context.Background(), pprof.Labels("contender", c.name), func(context.Context) {
				f, err := c.measure(a)
				if err != nil {
					b.Fatalf("%s: %v", c.name, err)
				}
				results[c.name] = append(results[c.name], f)
				if c.name == nameXStream {
					a.batch = int(f.batch)
				}
			})
		}
	}
	return results
}

// usualBatch is a batch of x_stream's, for a run without x_stream.
const usualBatch = 100

// measure starts the contender, lets it warm up, measures it and stops it.
func (c contender) measure(a arena) (figures, error) {
	runtime.GC() // what the one before left behind is not this one's to clear
	r, err := c.start(a)
	if err != nil {
		return figures{}, err
	}
	patience := time.Now().Add(5 * time.Minute)
	for r.posts() < c.warm {
		if time.Now().After(patience) {
			return figures{}, fmt.Errorf("only %d Posts in five minutes", r.posts())
		}
		time.Sleep(10 * time.Millisecond)
	}
	from, err := take(r)
	if err != nil {
		return figures{}, err
	}
	time.Sleep(*measure)
	to, err := take(r)
	if err != nil {
		return figures{}, err
	}
	return between(from, to), r.stop()
}

// figure is one of the figures.
type figure func(figures) float64

func perSecond(f figures) float64 { return f.perSecond }
func cpu(f figures) float64       { return f.cpu }
func objects(f figures) float64   { return f.objects }
func allocated(f figures) float64 { return f.bytes }
func batch(f figures) float64     { return f.batch }

func median(all []figures, get figure) float64 {
	values := make([]float64, len(all))
	for i, f := range all {
		values[i] = get(f)
	}
	return middle(values)
}

// ratios are those within each round.
func ratios(own, rival []figures, get figure) []float64 {
	all := make([]float64, len(own))
	for i := range own {
		all[i] = get(own[i]) / get(rival[i])
	}
	return all
}

// middle sorts values and returns their median.
func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// table prints the medians, and of the ratios within a round the median.
func table(w io.Writer, running []contender, results map[string][]figures) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\nmedians of %d rounds\tPosts/s\tof engine\tof bare\tCPU ns/Post\tof engine\tof bare\tallocs/Post\tB/Post\tPosts/batch\t\n", *rounds)
	for _, c := range running {
		own := results[c.name]
		of := func(name string, get figure) string {
			if len(results[name]) == 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", middle(ratios(own, results[name], get)))
		}
		fmt.Fprintf(t, "%s\t%.0f\t%s\t%s\t%.0f\t%s\t%s\t%.2f\t%.0f\t%.0f\t\n", c.name,
			median(own, perSecond), of(nameEngine, perSecond), of(nameBare, perSecond),
			median(own, cpu), of(nameEngine, cpu), of(nameBare, cpu),
			median(own, objects), median(own, allocated), median(own, batch))
	}
	t.Flush()
}
