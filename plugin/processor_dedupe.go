package plugin

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// DedupeName is the name of the processor in a Benthos config.
const DedupeName = "x_dedupe"

// Names of the processor's config fields; x_stream's window has the last two as
// well. Once released they do not change.
const (
	fieldKey      = "key"
	fieldCapacity = "capacity"
	fieldMaxAge   = "max_age"
)

func init() {
	err := service.RegisterProcessor(DedupeName, dedupeSpec(), func(conf *service.ParsedConfig, res *service.Resources) (service.Processor, error) {
		return newDedupe(conf, res)
	})
	if err != nil {
		panic(err)
	}
}

func dedupeSpec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Beta().
		Categories("Utility").
		Summary("Drops events that have passed before, and lets retries of them through.").
		Description(dedupeDescription).
		Fields(
			service.NewInterpolatedStringField(fieldKey).
				Description("What identifies an event. Default: the key that `x_stream` found (also without `event_metadata`), else the Post ID in the payload: `data.id`, or `id_str` of the legacy format. A message for which this is empty has no key: it passes and is counted.").
				Optional().
				Example(`${! this.data.id }`).
				Example(`${! @x_stream }:${! @x_id }`),
			positiveIntField(fieldCapacity, 1_000_000,
				"How many keys are remembered, at about 200 bytes each; the one that was seen longest ago goes first. It must hold all that comes between two copies of an event."),
			service.NewDurationField(fieldMaxAge).
				Description("How long a key is remembered at most. `0s`: until it is the oldest of a full window.").
				Default("0s").
				LintRule(lintDurationNotNegative(fieldMaxAge)),
		).
		Example("One copy of what two hosts read",
			"Two inputs read the same stream; each Post is written once.", `
input:
  broker:
    inputs:
      - x_stream: {bearer_token: "${X_BEARER_TOKEN}", base_url: "${X_HOST_A}"}
      - x_stream: {bearer_token: "${X_BEARER_TOKEN}", base_url: "${X_HOST_B}"}
pipeline:
  processors:
    - x_dedupe: {}
output:
  stdout: {}
`)
}

const dedupeDescription = `
Remembers the keys of the messages that passed, in memory, shared by all threads of the pipeline. A message whose key is remembered is dropped, which acknowledges it.

## Retries

When an output rejects a batch of ` + "`x_stream`" + `, the whole batch comes again, and must pass again. So each batch carries a claim, its identity, and a key that comes again under the same claim is a retry: it passes. Several messages made from one event (by ` + "`unarchive`" + `, say) share its claim and all pass. Of a batch that was rejected for good (` + "`auto_replay_nacks: false`" + `) a later copy passes too. Benthos' own ` + "`dedupe`" + ` cannot tell a retry from a duplicate: it drops the retry, and what the output had rejected is lost.

## What it cannot promise

- A claim comes from ` + "`x_stream`" + ` and travels in a message's context. Messages of **another input**, and of any input **behind a buffer** (which ends the context), have none. Of these each key passes once: a copy that comes again because its delivery failed is dropped, as by Benthos' own ` + "`dedupe`" + `. Use it there only where a lost message is better than a repeated one.
- It must stand **before anything that merges batches** (` + "`group_by`" + `, ` + "`archive`" + `, a ` + "`batching`" + ` policy of a broker): such a step can hand a message the claim of another batch, and a retry would look like a duplicate.
- The window is memory: after a restart everything is new.

## Metrics

` + "`x_dedupe_duplicates`, `x_dedupe_retries` and `x_dedupe_no_key`" + ` count messages.`

// dedupeProcessor is x_dedupe. It is a service.Processor and not a
// BatchProcessor: behind one of those Benthos hands contexts on by position,
// and a message could judge by the claim of another.
type dedupeProcessor struct {
	key    *service.InterpolatedString // nil: find it
	window *sharedWindow

	duplicates, retries, noKey *service.MetricCounter
}

func newDedupe(conf *service.ParsedConfig, res *service.Resources) (*dedupeProcessor, error) {
	p := parser{conf: conf}
	capacity, maxAge := p.int(fieldCapacity), p.durationOrZero(fieldMaxAge)
	if p.err != nil {
		return nil, p.err
	}
	d := &dedupeProcessor{
		duplicates: res.Metrics().NewCounter("x_dedupe_duplicates"),
		retries:    res.Metrics().NewCounter("x_dedupe_retries"),
		noKey:      res.Metrics().NewCounter("x_dedupe_no_key"),
	}
	var err error
	if conf.Contains(fieldKey) {
		if d.key, err = conf.FieldInterpolatedString(fieldKey); err != nil {
			return nil, err
		}
	}
	d.window, err = shareWindow(res, capacity, maxAge)
	return d, err
}

// Process implements service.Processor.
func (d *dedupeProcessor) Process(_ context.Context, m *service.Message) (service.MessageBatch, error) {
	key, ok, err := d.keyOf(m)
	if err != nil {
		return nil, err
	}
	if !ok {
		d.noKey.Incr(1)
		return service.MessageBatch{m}, nil
	}
	claim := dedupe.ClaimOf(m.Context())
	if claim == nil {
		claim = &dedupe.Claim{}
	}
	switch d.window.judge(claim, key) {
	case dedupe.Duplicate:
		d.duplicates.Incr(1)
		return nil, nil
	case dedupe.Retry:
		d.retries.Incr(1)
	}
	return service.MessageBatch{m}, nil
}

// Close implements service.Processor.
func (d *dedupeProcessor) Close(context.Context) error {
	d.window.leave()
	return nil
}

func (d *dedupeProcessor) keyOf(m *service.Message) (key dedupe.Key, ok bool, err error) {
	if d.key != nil {
		text, err := d.key.TryString(m)
		if err != nil {
			return key, false, fmt.Errorf("making the key of a message: %w", err)
		}
		return textKey(text), text != "", nil
	}
	if text, ok := m.MetaGet(metaID); ok && text != "" {
		return textKey(text), true, nil
	}
	payload, err := m.AsBytes()
	if err != nil {
		return key, false, fmt.Errorf("reading the payload of a message: %w", err)
	}
	name, _ := m.MetaGet(metaStream)
	if stream, ok := xapi.Lookup(name); ok {
		return scannedKey(payload, stream.Format, true)
	}
	for _, format := range []xapi.Format{xapi.Post, xapi.LegacyPost} {
		if key, ok, err = scannedKey(payload, format, false); ok || err != nil {
			return key, ok, err
		}
	}
	return key, false, nil
}

// textKey is the key of an ID in text. A number has the key that x_stream gave
// to the same ID.
func textKey(text string) dedupe.Key {
	if id, err := strconv.ParseUint(text, 10, 64); err == nil && id != 0 && strconv.FormatUint(id, 10) == text {
		return dedupe.Snowflake(id)
	}
	return dedupe.Text([]byte(text))
}

// scannedKey finds the key of an event in its bytes. Where the format is not
// known to be the payload's, only a Post ID counts.
func scannedKey(payload []byte, format xapi.Format, known bool) (key dedupe.Key, ok bool, err error) {
	var room [1]xapi.Event
	events := xapi.AppendEvents(room[:0], payload, format)
	if len(events) != 1 || events[0].Kind != xapi.Data {
		return key, false, nil
	}
	switch e := events[0]; {
	case e.Snowflake != 0:
		return dedupe.Snowflake(e.Snowflake), true, nil
	case known:
		return dedupe.Text(e.ID), true, nil
	}
	return key, false, nil
}

// sharedWindow is the window of all instances of one processor: Benthos makes
// one for each thread of a pipeline.
type sharedWindow struct {
	mu        sync.Mutex // guards what follows
	instances int
	window    *dedupe.Window
}

// judge tells whether a message has passed before.
func (s *sharedWindow) judge(claim *dedupe.Claim, key dedupe.Key) dedupe.Verdict {
	var verdict [1]dedupe.Verdict
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.Judge(time.Now(), claim, []dedupe.Key{key}, verdict[:0])[0]
}

// windowKey finds the window of a processor among a stream's resources.
type windowKey struct {
	stream, path string
	capacity     int
	maxAge       time.Duration
}

// shareWindow returns the window of the processor at this place in the config.
func shareWindow(res *service.Resources, capacity int, maxAge time.Duration) (*sharedWindow, error) {
	key := windowKey{res.StreamID(), fmt.Sprint(res.Label(), res.Path()), capacity, maxAge}
	v, _ := res.GetOrSetGeneric(key, &sharedWindow{})
	shared := v.(*sharedWindow)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.instances == 0 {
		var err error
		if shared.window, err = dedupe.NewWindow(capacity, maxAge); err != nil {
			return nil, err
		}
	}
	shared.instances++
	return shared, nil
}

// leave gives the memory back when the last instance is closed.
func (s *sharedWindow) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instances--; s.instances == 0 {
		s.window = nil
	}
}
