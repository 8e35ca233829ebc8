package plugin

import (
	"context"
	"fmt"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/checkpoint"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Checkpoint is where an x_stream keeps what it has delivered, for commands
// that look at a config without running it.
type Checkpoint struct {
	Cache         string   // a cache resource; "": the input keeps nothing
	Keys          []string // in that cache, one a partition that is read
	AllowEarlyAck bool
}

// CheckpointOf reads the config of an x_stream, in YAML or JSON. Of the other
// fields it wants nothing: what is run elsewhere, with a token that is not set
// here, can be looked at.
func CheckpointOf(config []byte) (Checkpoint, error) {
	conf, err := inputSpec().ParseYAML(string(config), nil)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", InputName, err)
	}
	p := parser{conf: conf}
	name, key := p.string(fieldStream), p.string(fieldCheckpointKey)
	partitions := p.ints(fieldPartitions)
	c := Checkpoint{Cache: p.string(fieldCheckpointCache), AllowEarlyAck: p.bool(fieldAllowEarlyAck)}
	if p.err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", InputName, p.err)
	}
	stream, known := xapi.Lookup(name)
	if !known {
		return Checkpoint{}, fmt.Errorf("%s: %s: unknown stream %q", InputName, fieldStream, name)
	}
	for _, n := range stream.Select(partitions) {
		c.Keys = append(c.Keys, checkpointKeyOf(key, n))
	}
	return c, nil
}

// Read returns what is stored under one of the keys. A process that writes it
// is not disturbed.
func (c Checkpoint) Read(ctx context.Context, res *service.Resources, key string) (checkpoint.Saved, error) {
	return checkpoint.Read(ctx, cacheStore{res, c.Cache}, key)
}
