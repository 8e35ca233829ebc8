package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// simulateCommand serves a simulated X, for everyone who has no credentials of
// the real one or wants to see it fail.
func simulateCommand() *cli.Command {
	return &cli.Command{
		Name:  "simulate",
		Usage: "Serve a simulated X that can be made to fail",
		Description: "Serves X's filtered, sample, sample10 and firehose streams with invented Posts, live and by backfill,\n" +
			"recovery and search, enforces X's limits and fails on demand. Point base_url of x_stream at it. It\n" +
			"answers for itself under /simulator/: status, connections, requests, faults (POST one to break\n" +
			"things now) and expected (the Post IDs that a consumer must have of a period).",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "address", Value: "127.0.0.1:8080", Usage: "listen on `HOST:PORT`; port 0 takes a free one"},
			&cli.BoolFlag{Name: "public", Usage: "allow an --address that other machines can reach"},
			&cli.Float64Flag{Name: "rate", Value: 100, Usage: "`POSTS` a second on the whole firehose; the first rules match all of them"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`NUMBER` that chooses the Posts: the same gives the same"},
			&cli.DurationFlag{Name: "max-lateness", Value: 10 * time.Second, Usage: "longest `TIME` from a Post's creation to its delivery"},
			&cli.StringFlag{Name: "token", Value: "simulator", Usage: "the bearer `TOKEN` that the account has"},
			&cli.IntFlag{Name: "connections", Usage: "`N` connections at a time on each stream; 0: X's number, -1: no limit"},
			&cli.IntFlag{Name: "connects", Usage: "`N` connects in 15 minutes on each stream; 0: X's number, -1: no limit"},
			&cli.DurationFlag{Name: "slot-hold", Usage: "`TIME` for which a broken connection goes on counting"},
			&cli.BoolFlag{Name: "one-connection", Usage: "a new connection to a stream ends the older ones, as on self-serve access"},
			&cli.BoolFlag{Name: "backfill", Value: true, Usage: "the account may use backfill_minutes"},
			&cli.BoolFlag{Name: "recovery", Value: true, Usage: "the account may use start_time and end_time on streams"},
			&cli.IntFlag{Name: "recovery-jobs", Usage: "`N` recovery connections at a time on each stream; 0: X's number, -1: no limit"},
			&cli.Float64Flag{Name: "replay-speed", Usage: "`TIMES` faster than its Posts were delivered a recovery sends them; 0: as fast as the client takes them"},
			&cli.StringFlag{Name: "search", Value: "all", Usage: "`REACH` of the account's searches: recent (7 days), all (the archive too) or none"},
			&cli.StringFlag{Name: "rules", Usage: "begin with the filtered stream's rules in `FILE`: a JSON array such as [{\"value\":\"coffee\",\"tag\":\"hot\"}]"},
			&cli.IntFlag{Name: "send-buffer", Value: 8 << 20, Usage: "`BYTES` that may wait for a slow client before it is cut off"},
			&cli.StringFlag{Name: "faults", Usage: "carry out the script in `FILE`: a JSON array such as [{\"at\":\"30s\",\"kind\":\"reset\"}]"},
			&cli.DurationFlag{Name: "random-faults", Usage: "break something about every `TIME`, drawn from the seed"},
		},
		Action: simulate,
	}
}

func simulate(c *cli.Context) error {
	config, err := simulatorConfig(c)
	if err == nil {
		err = runSimulator(c, config)
	}
	if err != nil {
		return cli.Exit("simulate: "+err.Error(), 1)
	}
	return nil
}

// simulatorConfig turns the flags into a simulator's config.
func simulatorConfig(c *cli.Context) (simulator.Config, error) {
	config := simulator.Config{
		Seed:        c.Uint64("seed"),
		Rate:        c.Float64("rate"),
		MaxLateness: c.Duration("max-lateness"),
		ReplaySpeed: c.Float64("replay-speed"),
		SendBuffer:  c.Int("send-buffer"),
		Account: simulator.Account{
			Token:                c.String("token"),
			Connections:          c.Int("connections"),
			Connects:             c.Int("connects"),
			SlotHold:             c.Duration("slot-hold"),
			NewConnectionEndsOld: c.Bool("one-connection"),
			RecoveryJobs:         c.Int("recovery-jobs"),
		},
	}
	if err := grant(c, &config.Account); err != nil {
		return config, err
	}
	if file := c.String("rules"); file != "" {
		var err error
		if config.Rules, err = readRules(file); err != nil {
			return config, err
		}
	}
	file, every := c.String("faults"), c.Duration("random-faults")
	switch {
	case file != "" && every != 0:
		return config, errors.New("--faults and --random-faults exclude each other")
	case every < 0 || every > 0 && every < time.Second:
		return config, errors.New("--random-faults must be at least 1s")
	case every > 0:
		config.Faults = simulator.RandomFaults(config.Seed, every)
	case file != "":
		script, err := os.ReadFile(file)
		if err != nil {
			return config, err
		}
		faults, err := simulator.ParseFaults(script)
		if err != nil {
			return config, fmt.Errorf("%s: %w", file, err)
		}
		config.Faults = slices.Values(faults)
	}
	return config, nil
}

// grant gives the account what the flags say that it may use.
func grant(c *cli.Context, a *simulator.Account) error {
	if !c.Bool("backfill") {
		a.Backfill = simulator.Unoffered
	}
	if !c.Bool("recovery") {
		a.Recovery = simulator.Unoffered
	}
	switch search := c.String("search"); search {
	case "all":
	case "recent":
		a.SearchAll = simulator.Denied
	case "none":
		a.SearchRecent, a.SearchAll = simulator.Denied, simulator.Denied
	default:
		return fmt.Errorf("--search %s: must be recent, all or none", search)
	}
	return nil
}

// readRules reads a JSON array of rules; an empty one is no rules.
func readRules(file string) ([]simulator.Rule, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	rules := []simulator.Rule{}
	if err := json.Unmarshal(text, &rules); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return rules, nil
}

// runSimulator serves until a signal comes.
func runSimulator(c *cli.Context, config simulator.Config) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	sim, err := simulator.New(config)
	if err != nil {
		return err
	}
	if !c.Bool("public") {
		if err := onlyLoopback(ctx, c.String("address")); err != nil {
			return err
		}
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", c.String("address"))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "simulated X with base_url: http://%s and bearer_token: %s; try: curl -H 'Authorization: Bearer %[2]s' http://%[1]s/2/tweets/search/stream\n",
		l.Addr(), config.Account.Token)
	return sim.Serve(ctx, l)
}

// onlyLoopback refuses an address that other machines can reach.
func onlyLoopback(ctx context.Context, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--address %s: %w", address, err)
	}
	refusal := fmt.Errorf("--address %s: other machines could reach it; --public allows that", address)
	if host == "" {
		return refusal
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("--address %s: %w", address, err)
	}
	for _, ip := range ips {
		if !ip.IsLoopback() {
			return refusal
		}
	}
	return nil
}
