package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/checkpoint"
	"github.com/xconnect-dev/xconnect/internal/ingest"
)

// Names of the fields about restarts.
const (
	fieldCheckpointCache    = "checkpoint_cache"
	fieldCheckpointKey      = "checkpoint_key"
	fieldCheckpointInterval = "checkpoint_interval"
	fieldStartFrom          = "start_from"
	fieldAllowEarlyAck      = "allow_early_ack"
)

// openingTime is how long the constructor waits for the checkpoints. A dead
// process's mark stands still for up to ten seconds before it is taken over.
const openingTime = 15 * time.Second

func checkpointFields() []*service.ConfigField {
	return []*service.ConfigField{
		service.NewStringField(fieldCheckpointCache).
			Description("A cache resource in which to remember what was delivered, so that a restart, here or on another host, goes on where the last run ended and repairs the time between. It must keep what it is given: no `default_ttl`, no eviction. For one machine, Connect's `sql` cache on SQLite survives a power cut; `file` does not promise to. Default: none, and a restart begins from now.").
			Optional().
			Example("state"),
		service.NewStringField(fieldCheckpointKey).
			Description("The key in that cache; the partition is appended. Two inputs, or two processes that read the same stream beside each other, need two.").
			Default("x_stream").
			LintRule(lintRule(fieldCheckpointKey, `this == ""`, "not be empty")),
		durationField(fieldCheckpointInterval, "1s",
			"How often the checkpoint is saved, at most `3s`. After a crash, what was delivered since the last save is delivered again.").
			Advanced().
			LintRule(lintRule(fieldCheckpointInterval, fmt.Sprintf("this.string().parse_duration().catch(0) <= 0 || this.string().parse_duration().catch(0) > %d", checkpoint.MaxInterval),
				fmt.Sprintf("be a duration greater than zero and at most %s", checkpoint.MaxInterval))),
		service.NewStringField(fieldStartFrom).
			Description("Where to begin when there is no checkpoint: a time (RFC 3339), or so long before now (`-6h`). What lies before now is fetched like any other gap, see `repair`. Default: from now.").
			Optional().
			LintRule(`root = if !(this.has_prefix("-") && this.trim_prefix("-").parse_duration().catch(0) > 0) && this.ts_parse("2006-01-02T15:04:05Z07:00").catch(null) == null { "start_from must be a time such as 2026-01-02T15:04:05Z, or a negative duration such as -6h" }`).
			Example("-6h").Example("2026-01-02T15:04:05Z"),
		service.NewBoolField(fieldAllowEarlyAck).
			Description("Allow a `buffer` in the pipeline together with `checkpoint_cache`. A buffer acknowledges events before the output has them, so the checkpoint calls delivered what a crash can still lose.").
			Default(false).Advanced(),
	}
}

// checkpointConfig reads the config of restarts into cfg.
func checkpointConfig(p *parser, res *service.Resources, cfg *ingest.Config, baseURL string) error {
	interval := p.duration(path(fieldCheckpointInterval), time.Second)
	if interval > checkpoint.MaxInterval {
		p.fail(path(fieldCheckpointInterval), "must be at most %s, and is %s: a process that is silent for three of them counts as dead", checkpoint.MaxInterval, interval)
	}
	cache, key := p.string(fieldCheckpointCache), p.string(fieldCheckpointKey)
	if key == "" {
		p.fail(path(fieldCheckpointKey), "must not be empty")
	}
	var err error
	if cfg.StartFrom, err = startFrom(p.string(fieldStartFrom), time.Now()); err != nil {
		return err
	}
	if p.err != nil || cache == "" {
		return p.err
	}
	if !res.HasCache(cache) {
		return fmt.Errorf("%s: there is no cache resource %q: add it to cache_resources, with that label", fieldCheckpointCache, cache)
	}
	base, err := url.Parse(baseURL)
	if err != nil {
		return fmt.Errorf("%s: not a URL", fieldBaseURL) // the client says more of it
	}
	cfg.Checkpoints = &ingest.Checkpoints{
		Interval: interval,
		Fatal:    checkpoint.Final,
		Open: func(ctx context.Context, partition int, waiting func(error)) (ingest.Keeper, []byte, error) {
			return checkpoint.Open(ctx, cacheStore{res, cache}, checkpointKeyOf(key, partition), checkpoint.Options{
				Identity: checkpoint.Identity{Host: base.Host, Stream: cfg.Stream.Name, Partition: partition},
				Interval: interval,
				Waiting:  waiting,
			})
		},
	}
	return nil
}

// checkpointKeyOf is the key of a partition's record.
func checkpointKeyOf(key string, partition int) string { return key + "." + partitionName(partition) }

// startFrom reads a time, or a negative duration before now; "" is the zero
// time.
func startFrom(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if before, ok := strings.CutPrefix(s, "-"); ok {
		if d, err := time.ParseDuration(before); err == nil && d > 0 {
			return now.Add(-d), nil
		}
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %q is neither a time such as 2026-01-02T15:04:05Z nor a negative duration such as -6h", fieldStartFrom, s)
	}
	if at.After(now) {
		return time.Time{}, fmt.Errorf("%s: %s is in the future", fieldStartFrom, s)
	}
	return at, nil
}

// cacheStore is a Benthos cache resource as a store of checkpoints.
type cacheStore struct {
	res  *service.Resources
	name string
}

var _ checkpoint.Store = cacheStore{}

// Get implements checkpoint.Store.
func (s cacheStore) Get(ctx context.Context, key string) (value []byte, err error) {
	accessErr := s.res.AccessCache(ctx, s.name, func(c service.Cache) { value, err = c.Get(ctx, key) })
	switch {
	case accessErr != nil:
		return nil, fmt.Errorf("cache %q: %w", s.name, accessErr)
	case errors.Is(err, service.ErrKeyNotFound):
		return nil, checkpoint.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("cache %q: %w", s.name, err)
	}
	return value, nil
}

// Set implements checkpoint.Store.
func (s cacheStore) Set(ctx context.Context, key string, value []byte) (err error) {
	accessErr := s.res.AccessCache(ctx, s.name, func(c service.Cache) { err = c.Set(ctx, key, value, nil) })
	if err := errors.Join(accessErr, err); err != nil {
		return fmt.Errorf("cache %q: %w", s.name, err)
	}
	return nil
}
