package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/urfave/cli/v2"

	"github.com/xconnect-dev/xconnect/config"
	"github.com/xconnect-dev/xconnect/internal/simulator"
)

const (
	demoToken    = "demo"
	demoLateness = 5 * time.Second
	// demoDrain is how long the last Posts may take to arrive once the demo
	// has stopped counting what is published.
	demoDrain = 12 * time.Second
	// demoPatience is how long an interrupted demo waits for a connection
	// that it broke itself; a stalled one is noticed after 25 s.
	demoPatience = 30 * time.Second
)

// demoFaults are the ways in which the demo breaks the connection, and when.
// The last leaves the watchdog its 25 s to notice.
var demoFaults = []struct {
	at     time.Duration
	what   string
	faults []simulator.Fault
}{
	{6 * time.Second, "resets the connection", []simulator.Fault{{Kind: simulator.Reset}}},
	{14 * time.Second, "cuts it in the middle of a line", []simulator.Fault{{Kind: simulator.Cut}}},
	{22 * time.Second, "resets it and refuses new ones for 4 s", []simulator.Fault{{Kind: simulator.Refuse, For: 4 * time.Second}, {Kind: simulator.Reset}}},
	{34 * time.Second, "disconnects for operational reasons, then answers 503", []simulator.Fault{{Kind: simulator.Unavailable503, Count: 1}, {Kind: simulator.OperationalDisconnect}}},
	{46 * time.Second, "falls silent, with the connection open", []simulator.Fault{{Kind: simulator.Stall}}},
}

// demoPublishes is how long the demo counts what is published.
const demoPublishes = 74 * time.Second

// demoCommand shows, without an X account, that a broken connection loses
// nothing.
func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "Break the connection to a simulated X on purpose and count what arrived",
		Description: "Starts a simulated X on a free port of this machine, runs the pipeline config/quickstart.yaml\n" +
			"against it, breaks the connection in five ways, and ends within 90 s with a verdict. The exit\n" +
			"status is 1 if a Post is missing. Ctrl-C ends it early with the verdict so far.",
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "rate", Value: 100, Usage: "`POSTS` a second"},
			&cli.StringFlag{Name: "dir", Value: "xconnect-demo", Usage: "write posts.jsonl into `DIRECTORY`, replacing an earlier one"},
		},
		Action: func(c *cli.Context) error {
			missing, err := demo(c.Context, c.App.Writer, c.Float64("rate"), c.String("dir"))
			if err != nil {
				return cli.Exit("demo: "+err.Error(), 1)
			}
			if missing {
				return cli.Exit("", 1)
			}
			return nil
		},
	}
}

// demo runs the demonstration and reports whether a Post is missing.
func demo(parent context.Context, out io.Writer, rate float64, dir string) (missing bool, err error) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once

	x, err := simulator.New(simulator.Config{Rate: rate, MaxLateness: demoLateness, Account: simulator.Account{Token: demoToken}})
	if err != nil {
		return false, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return false, fmt.Errorf("starting the simulated X: %w", err)
	}
	posts, err := newPostsFile(dir)
	if err != nil {
		return false, err
	}
	defer posts.Close()
	watch := newScreen(out)
	stream, err := demoStream(listener.Addr().String(), posts.path, watch)
	if err != nil {
		return false, err
	}

	var running sync.WaitGroup
	defer running.Wait()
	serving, stopServing := context.WithCancel(context.Background())
	defer stopServing()
	running.Go(func() { _ = x.Serve(serving, listener) })
	failed := make(chan error, 1)
	running.Go(func() { failed <- stream.Run(context.Background()) })

	watch.printf("A simulated X publishes %.0f Posts a second at http://%s; xconnect writes them to %s.\n", rate, listener.Addr(), posts.path)
	r := demoRun{x: x, posts: posts, screen: watch, failed: failed}
	err = r.run(ctx)
	shutdown, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(err, stream.Stop(shutdown))
	if err != nil {
		return false, err
	}
	return r.verdict()
}

// demoStream builds the quickstart pipeline as `xconnect -c` would, with its
// variables set for the demo.
func demoStream(address, postsFile string, watch *screen) (*service.Stream, error) {
	env := service.GlobalEnvironment().Clone()
	err := env.RegisterMetricsExporter("demo", service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Logger) (service.MetricsExporter, error) {
			return watch.metrics, nil
		})
	if err != nil {
		return nil, err
	}
	variables := map[string]string{
		"X_BASE_URL":     "http://" + address,
		"X_BEARER_TOKEN": demoToken,
		"X_HTTP_ADDRESS": "127.0.0.1:0",
		"POSTS_FILE":     postsFile,
	}
	b := env.NewStreamBuilder()
	b.SetEnvVarLookupFunc(func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	})
	b.SetLogger(watch.logger())
	if err := b.SetYAML(config.Quickstart); err != nil {
		return nil, fmt.Errorf("reading the quickstart pipeline: %w", err)
	}
	if err := b.SetMetricsYAML("demo: {}"); err != nil {
		return nil, err
	}
	return b.Build()
}

// demoRun is one run: what breaks when, and what must have arrived at the end.
type demoRun struct {
	x      *simulator.Simulator
	posts  *postsFile
	screen *screen
	failed <-chan error

	from, to time.Time // what X delivers in between must be in the file
}

// run waits for the first connection, breaks things on schedule, and returns
// once everything published has arrived or has had its time.
func (r *demoRun) run(ctx context.Context) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	faults := demoFaults
	var deadline time.Time
	for {
		var now time.Time
		select {
		case now = <-tick.C:
		case err := <-r.failed:
			return errors.Join(errors.New("the pipeline ended by itself"), err)
		case <-ctx.Done():
			if r.to.IsZero() {
				r.screen.printf("Interrupted: waiting for what is published to arrive (Ctrl-C again: do not wait).\n")
				r.to, deadline = time.Now(), time.Now().Add(demoPatience)
			}
			ctx = context.Background()
			continue
		}
		if err := r.posts.read(); err != nil {
			return err
		}
		if r.from.IsZero() {
			r.from = r.screen.metrics.firstConnected()
			continue
		}
		elapsed := now.Sub(r.from)
		if len(faults) > 0 && elapsed >= faults[0].at && r.to.IsZero() {
			r.screen.printf("X %s.\n", faults[0].what)
			for _, f := range faults[0].faults {
				if _, err := r.x.Break(f); err != nil {
					return err
				}
			}
			faults = faults[1:]
		}
		if r.to.IsZero() && elapsed >= demoPublishes {
			r.to, deadline = now, now.Add(demoDrain)
		}
		published, delivered, err := r.count(now)
		if err != nil {
			return err
		}
		r.screen.progress(elapsed, published, delivered)
		if !r.to.IsZero() && (delivered == published || now.After(deadline)) {
			return nil
		}
	}
}

// count returns how many Posts X has delivered, or would have to a connection
// that was never broken, and how many of these are in the file.
func (r *demoRun) count(now time.Time) (published, delivered int, err error) {
	until := now
	if !r.to.IsZero() {
		until = r.to
	}
	expected, err := r.x.Expected("filtered", 0, r.from, until)
	if err != nil {
		return 0, 0, err
	}
	for id := range expected {
		published++
		if r.posts.has(id) {
			delivered++
		}
	}
	return published, delivered, nil
}

// verdict prints the result and reports whether a Post is missing.
func (r *demoRun) verdict() (missing bool, err error) {
	if r.from.IsZero() {
		r.screen.printf("\nInterrupted before the first connection: nothing to judge.\n")
		return false, nil
	}
	if err := r.posts.read(); err != nil {
		return false, err
	}
	published, delivered, err := r.count(r.to)
	if err != nil {
		return false, err
	}
	lost := published - delivered
	r.screen.printf(`
Verdict after %.0f s:
  published           %6d
  delivered           %6d
  duplicates dropped  %6d   that X's backfill sent once more
  repeated            %6d   in the file
  lost                %6d
`, r.to.Sub(r.from).Seconds(), published, delivered, r.screen.metrics.duplicates(), r.posts.repeated(), lost)
	return lost > 0, nil
}

// demoFile is the name of the file that the demo writes.
const demoFile = "posts.jsonl"

// newPostsFile makes an empty file in dir for the pipeline to write.
func newPostsFile(dir string) (*postsFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, demoFile)
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &postsFile{path: path, file: f, seen: map[uint64]int{}}, nil
}
