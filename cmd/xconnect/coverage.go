package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/urfave/cli/v2"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/checkpoint"
)

// coverageCommand shows what a pipeline has delivered, from the checkpoints
// that it keeps.
func coverageCommand() *cli.Command {
	return &cli.Command{
		Name:  "coverage",
		Usage: "Print what has been delivered, what is missing and what is lost",
		Description: "Reads the stored checkpoint of each x_stream in a config, whether the pipeline runs or not, and prints\n" +
			"for each partition the periods that are covered, the gaps that are still open, what was searched and\n" +
			"what is lost, with the reason. A pipeline that runs is not disturbed. The times are UTC. The exit status\n" +
			"is 1 if a partition has no checkpoint, or one that cannot be read.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagConfig, Aliases: []string{"c"}, Usage: "the pipeline's `FILE`"},
			&cli.StringSliceFlag{Name: flagResources, Aliases: []string{"r"}, Usage: "more resources from `FILE`, as for run"},
			&cli.StringSliceFlag{Name: flagSet, Aliases: []string{"s"}, Usage: "set a `FIELD=VALUE` of the config, as for run"},
			&cli.StringFlag{Name: "cache-file", Usage: "instead of a config: print the record in `FILE`, as a file cache writes it (state/x_stream.1.a)"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: func(c *cli.Context) error {
			if err := showCoverage(c); err != nil {
				return cli.Exit("coverage: "+err.Error(), 1)
			}
			return nil
		},
	}
}

func showCoverage(c *cli.Context) error {
	var kept []accounted
	var problem error
	if file := c.String("cache-file"); file != "" {
		kept, problem = accountOfFile(file)
	} else {
		kept, problem = accountsOfConfig(c)
	}
	if len(kept) == 0 {
		return problem
	}
	show := printAccounts
	if c.Bool("json") {
		show = printJSON
	}
	return joinLine(show(c.App.Writer, kept, time.Now().UTC()), problem)
}

// accounted is what a partition's checkpoint says.
type accounted struct {
	checkpoint.Saved
	account account.Record
}

// readAccount reads the payload of a checkpoint, with all times in UTC.
func readAccount(r checkpoint.Saved) (accounted, error) {
	a := accounted{Saved: r}
	if r.Payload == nil {
		return a, fmt.Errorf("checkpoint %q: nothing has been saved yet", r.Key)
	}
	if err := json.Unmarshal(r.Payload, &a.account); err != nil {
		return a, fmt.Errorf("checkpoint %q: reading it: %w", r.Key, err)
	}
	a.SavedAt = a.SavedAt.UTC()
	utc(&a.account)
	return a, nil
}

// utc changes the zone in which the record's times are shown.
func utc(r *account.Record) {
	times := []*time.Time{&r.Start}
	for n := range r.Done {
		times = append(times, &r.Done[n].From, &r.Done[n].To)
	}
	for n := range r.Jobs {
		j := &r.Jobs[n]
		times = append(times, &j.Window.From, &j.Window.To, &j.Since, &j.Reached)
	}
	for n := range r.Losses {
		times = append(times, &r.Losses[n].From, &r.Losses[n].To)
	}
	for n := range r.Searches {
		times = append(times, &r.Searches[n].From, &r.Searches[n].To)
	}
	for n := range r.Rejections {
		times = append(times, &r.Rejections[n].Oldest, &r.Rejections[n].Newest)
	}
	for _, t := range times {
		*t = t.UTC()
	}
}

func accountOfFile(file string) ([]accounted, error) {
	value, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r, err := checkpoint.Decode(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	r.Key = file
	a, err := readAccount(r)
	if err != nil {
		return nil, err
	}
	return []accounted{a}, nil
}

// accountsOfConfig reads the checkpoints of all x_streams of the config. With
// an error it returns those that it could read.
func accountsOfConfig(c *cli.Context) (kept []accounted, problem error) {
	file := mainConfig(c)
	if file == "" {
		return nil, errors.New("name a config with -c, or a file of a file cache with --cache-file")
	}
	p, err := readPipeline(c, file)
	if err != nil {
		return nil, err
	}
	inputs, _, err := p.inputs()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(inputs) == 0 {
		return nil, fmt.Errorf("%s: it has no x_stream with a checkpoint_cache", file)
	}
	// Resources are made when they are first used: of this stream only the
	// caches ever are.
	stream, err := p.Build()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, in := range inputs {
		more, err := in.accounts(c.Context, stream.Resources())
		kept = append(kept, more...)
		problem = joinLine(problem, err)
	}
	return kept, problem
}

// accounts reads the checkpoints of an x_stream. It goes on after one that is
// missing or cannot be read, and ends with a cache that does not answer.
func (in input) accounts(ctx context.Context, res *service.Resources) (kept []accounted, problem error) {
	if !res.HasCache(in.Cache) {
		return nil, fmt.Errorf("%s: there is no cache resource %q", in.path, in.Cache)
	}
	var missing []string
	for _, key := range in.Keys {
		r, err := in.Read(ctx, res, key)
		switch {
		case err == nil:
			var a accounted
			if a, err = readAccount(r); err == nil {
				kept = append(kept, a)
			}
		case errors.Is(err, checkpoint.ErrNotFound):
			missing, err = append(missing, key), nil
		case !errors.Is(err, checkpoint.ErrDamaged) && !errors.Is(err, checkpoint.ErrNewer):
			return kept, joinLine(problem, err)
		}
		problem = joinLine(problem, err)
	}
	if len(missing) > 0 {
		problem = joinLine(problem, fmt.Errorf("%s: cache %q holds no checkpoint %s", in.path, in.Cache, strings.Join(missing, ", ")))
	}
	return kept, problem
}

// joinLine is errors.Join on one line.
func joinLine(a, b error) error {
	if a == nil || b == nil {
		return errors.Join(a, b)
	}
	return fmt.Errorf("%w; %w", a, b)
}
