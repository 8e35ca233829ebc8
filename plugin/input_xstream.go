// Package plugin adds xconnect's components to a Benthos build: importing it
// registers the input x_stream and the processor x_dedupe.
//
// It translates between Benthos and the packages under internal/, which do the
// work and know nothing of Benthos.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/ingest"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// InputName is the name of the input in a Benthos config.
const InputName = "x_stream"

// Names of the input's config fields. Once released they do not change.
const (
	fieldStream           = "stream"
	fieldPartitions       = "partitions"
	fieldConnections      = "connections"
	fieldAllowMore        = "allow_more_connections"
	fieldBearerToken      = "bearer_token"
	fieldBearerTokenFile  = "bearer_token_file"
	fieldAPIKey           = "api_key"
	fieldAPISecret        = "api_secret"
	fieldBaseURL          = "base_url"
	fieldParameters       = "parameters"
	fieldConnectTimeout   = "connect_timeout"
	fieldHeartbeatTimeout = "heartbeat_timeout"
	fieldSilenceTimeout   = "silence_timeout"
	fieldMaxLineBytes     = "max_line_bytes"
	fieldQueueBytes       = "queue_bytes"
	fieldInFlightBytes    = "in_flight_bytes"
	fieldMaxBatch         = "max_batch"
	fieldDedupe           = "dedupe"
	fieldEventMetadata    = "event_metadata"
	fieldTLS              = "tls"
	fieldProxyURL         = "proxy_url"
	fieldAutoReplayNacks  = service.AutoRetryNacksToggleFieldName
)

// Metadata keys of each message.
const (
	metaStream     = "x_stream"
	metaPartition  = "x_partition"
	metaConnection = "x_connection"
	metaSource     = "x_source"
	metaID         = "x_id"
	metaCreatedAt  = "x_created_at"
	metaReceivedAt = "x_received_at"
	metaStripped   = "x_search_stripped"
)

// metaTime is RFC 3339 with milliseconds.
const metaTime = "2006-01-02T15:04:05.000Z07:00"

func init() {
	if err := service.RegisterBatchInput(InputName, inputSpec(), inputConstructor(nil)); err != nil {
		panic(err)
	}
}

func inputSpec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Beta().
		Categories("Services", "Social").
		Summary("Reads a stream of X (formerly Twitter) and loses nothing at a disconnection.").
		Description(inputDescription).
		Fields(
			service.NewStringAnnotatedEnumField(fieldStream, streamOptions()).
				Description("The stream to read.").
				Default("filtered").
				LintRule(lintOption(fieldStream, streamOptions())),
			service.NewIntListField(fieldPartitions).
				Description("The partitions to read, of a stream that has some. Several inputs, or hosts, can share a stream this way. Default: all of them.").
				Optional().
				Example([]any{1, 2, 3}),
			positiveIntField(fieldConnections, 1,
				"How many connections to keep to each partition. Each carries everything, so the failure of one of two costs nothing: no gap, no repeat, no pause. X allows only so many, see `allow_more_connections`."),
			service.NewBoolField(fieldAllowMore).
				Description("Whether `connections` times the number of partitions may be more than X allows by its documentation (filtered, sample, sample10 and activity 2, firehose 20), because your contract gives you more.").
				Default(false).Advanced(),
			service.NewStringField(fieldBearerToken).
				Description("App-only bearer token of the X app. Set one of `bearer_token`, `bearer_token_file`, or `api_key` with `api_secret`. It is sent to the host of `base_url` only.").
				Secret().Optional().
				Example("${X_BEARER_TOKEN}"),
			service.NewStringField(fieldBearerTokenFile).
				Description("Path of a file that holds the bearer token and nothing else. It is read again at each connect and after X refuses the token, so a token can be replaced while xconnect runs.").
				Optional().
				Example("/run/secrets/x_bearer_token"),
			service.NewStringField(fieldAPIKey).
				Description("API key (consumer key) of the X app. With `api_secret` it is exchanged for a bearer token at the start, and again when X refuses that token.").
				Secret().Optional(),
			service.NewStringField(fieldAPISecret).
				Description("API secret (consumer secret) that belongs to `api_key`.").
				Secret().Optional(),
			service.NewStringField(fieldBaseURL).
				Description("Scheme, host and port of the X API. Plain `http` is accepted for this machine only (`localhost`, `127.0.0.1`, `[::1]`), as for `xconnect simulate`: anywhere else the token would travel in the clear.").
				Default("https://api.x.com").
				LintRule(lintBaseURL),
			service.NewStringMapField(fieldParameters).
				Description("Field selections to send with each request, by name: what X includes in an event beside its ID and text. Changing them takes effect at the next connect.").
				Default(map[string]any{}).
				Example(map[string]any{"tweet.fields": "created_at,author_id,lang", "expansions": "author_id"}),
			durationField(fieldConnectTimeout, "10s",
				"How long a connect may take, from the look-up of the host to the headers of X's answer. A backfill reaches back this much further, so a long one costs repeats (which are dropped)."),
			optionalDurationField(fieldHeartbeatTimeout,
				"How long to wait for a byte from X before the connection counts as dead. X sends a heartbeat every 20 s (PowerTrack: 10 s). It must be longer than that. Time in which xconnect itself waits for a slow output does not count. Default: by stream, five seconds more than its heartbeat.").
				Advanced(),
			optionalDurationField(fieldSilenceTimeout,
				"How long heartbeats may come without any event before the connection counts as dead. Only for a stream that is never quiet for so long. While it is set, heartbeats alone do not count as coverage. Default: off.").
				Advanced(),
			positiveIntField(fieldMaxLineBytes, 4<<20,
				"Longest line to accept, in bytes. A longer one is skipped whole, logged, and counted in `x_stream_oversized_lines`.").Advanced(),
			positiveIntField(fieldQueueBytes, 64<<20,
				"How many bytes of events may wait for the pipeline, for the whole input. When it is full xconnect stops reading; when X's own buffer is full too, X ends the connection, and what it threw away is fetched like any other gap.").Advanced(),
			positiveIntField(fieldInFlightBytes, 256<<20,
				"How many bytes of events may be handed to the pipeline and not yet be acknowledged, for the whole input. They are kept in memory to be sent again. An output that waits for more than this before it writes would wait for its batching period each time: a warning says so.").Advanced(),
			positiveIntField(fieldMaxBatch, 1000,
				"Most events in one batch that is handed to the pipeline. A batch holds what is there, so it is small on a quiet stream.").Advanced(),
			repairField(),
		).
		Fields(checkpointFields()...).
		Fields(
			service.NewObjectField(fieldDedupe,
				positiveIntField(fieldCapacity, 1_000_000,
					"How many keys are remembered, for the whole input, at about 150 bytes each; partitions share them evenly. It should hold what the stream carries in the time that a backfill reaches back, five minutes: 2,000,000 for a whole firehose. A warning says when it does not."),
				service.NewDurationField(fieldMaxAge).
					Description("How long a key is remembered at most. `0s`: until it is the oldest of a full window.").
					Default("0s").
					LintRule(lintDurationNotNegative(fieldMaxAge)),
			).Description("The window of keys that removes repeats: X's backfill sends again what it sent before.").Advanced(),
			service.NewBoolField(fieldEventMetadata).
				Description("Whether each message carries the metadata that differ from event to event (`x_id`, `x_created_at`). Without them a busy stream costs less.").
				Default(true).Advanced(),
			service.NewTLSField(fieldTLS).Optional(),
			networksField(),
			service.NewStringField(fieldProxyURL).
				Description("Proxy to connect through (`http://`, `https://` or `socks5://`, with user and password where it needs them). Default: the environment's `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.").
				Secret().Optional().Advanced(),
			service.NewBoolField(fieldAutoReplayNacks).
				Description("Whether events that the output rejected are sent again until it takes them, whole batches at a time. With `false` they are dropped, logged and counted as lost (`x_stream_rejected_events`).").
				Default(true),
		).
		LintRule(lintInput()).
		Example("Posts that match the app's rules, to standard output",
			"Rules are managed at X, with `POST /2/tweets/search/stream/rules`.", `
input:
  x_stream:
    stream: filtered
    bearer_token: ${X_BEARER_TOKEN}
    parameters:
      tweet.fields: created_at,author_id,lang
output:
  stdout: {}
`)
}

const inputDescription = `
Keeps connections to a stream up: it leaves one that is silent for too long, connects again on X's own schedules, fetches what it missed and removes the repeats that this brings. Each message is one event, byte for byte as X sent it.

## Gap repair

The age of each part of a gap decides how it is fetched: up to 5 minutes with the backfill of a reconnect, up to 24 hours with recovery connections, and on the filtered stream up to 7 days with search (any age with access to the full archive). What X does not grant to the account is left out and tried again every hour. The log tells when a gap opens, how it will be closed, what will be too old before its turn comes, and when no gap is left. What cannot be fetched is lost, and logged and counted with its reason.

## Delivery

An event counts as delivered when the output has acknowledged it. Batches that the output rejects are sent again, whole, until it takes them: at least once, in any order. Do not put a ` + "`buffer`" + ` behind this input: it acknowledges what is not delivered yet.

## Redundant connections and partitions

With ` + "`connections: 2`" + ` a second connection to each partition carries the same, and what comes twice is dropped before a message is built. While one of them fails the other goes on: nothing is missing, and nothing is asked for again. All connects share the budget that X allows (50 in 15 minutes on the filtered stream). Each partition gets its first connection before any gets its second, and a partition that cannot connect never holds up the others. X advises to let redundant connections take different ways out: see ` + "`networks`" + `.

## Restarts

With a ` + "`checkpoint_cache`" + ` xconnect remembers, once a second and at a graceful stop, up to when everything is delivered, which gaps are open, and which keys a repair would bring again. After a crash some events come twice, after a graceful stop none do, as long as those keys fit into 256 KB a partition. A record that belongs to another stream, that a newer version wrote, that is damaged, or that another live process writes ends the start with status 1; a cache that cannot be reached is waited for. ` + "`xconnect coverage`" + ` prints the record.

## Metadata

- ` + "`x_stream`" + `: the stream's name
- ` + "`x_partition`" + `: the partition, 1 on a stream without partitions
- ` + "`x_connection`" + `: which of the partition's connections brought it, from 1; 0 for what a recovery or a search brought
- ` + "`x_source`" + `: ` + "`live`, `backfill`, `recovery` or `search`" + `
- ` + "`x_search_stripped`" + `: the terms that a search left out of the rules that found the event, see ` + "`repair.search.strip_operators`" + `
- ` + "`x_id`" + `: the event's key: the Post ID, or what identifies an event of another kind
- ` + "`x_created_at`" + `: creation of the event, RFC 3339 with milliseconds; missing where the event does not say
- ` + "`x_received_at`" + `: when it was read, likewise

## Metrics

All begin with ` + "`x_stream_`" + ` and carry the label ` + "`partition`" + ` where one is meant: ` + "`connections_up`, `events` (by `source`), `duplicates` (dropped before a message was built, by `source` of the copy), `reconnects` (by `reason`), `wait_seconds` (on X's schedules, and for the connect budget), `lag_seconds` (now minus creation of the newest live event read), `queue_bytes`, `in_flight_bytes`, `gaps_open`, `gap_open_seconds`, `gap_lost_seconds` (by `reason`), `gap_repaired_seconds` (by `method`), `gap_searched_seconds`, `repair_jobs` (by `method`), `checkpoint_age_seconds`, `connects_left` (of X's budget), `undelivered_seconds` (now minus the moment up to which everything is delivered or lost), `oversized_lines`, `malformed_lines`, `rejected_events`" + `.`

type input struct {
	ingest        *ingest.Ingest
	stream        string
	eventMetadata bool
}

// dialer makes sockets; nil stands for the network.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

func inputConstructor(dial dialer) service.BatchInputConstructor {
	return func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
		return newInput(conf, res, dial)
	}
}

func newInput(conf *service.ParsedConfig, res *service.Resources, dial dialer) (*input, error) {
	cfg, err := inputConfig(conf, res, dial)
	if err != nil {
		return nil, err
	}
	in := &input{stream: cfg.Stream.Name}
	if in.eventMetadata, err = conf.FieldBool(fieldEventMetadata); err != nil {
		return nil, err
	}
	if in.ingest, err = ingest.New(cfg); err != nil {
		return nil, err
	}
	if cfg.Checkpoints == nil {
		res.Logger().Warnf("no %s is set: what X sends while xconnect is not running will not be fetched after a restart", fieldCheckpointCache)
	}
	ctx, cancel := context.WithTimeout(context.Background(), openingTime)
	defer cancel()
	if err := in.ingest.Restore(ctx); err != nil {
		return nil, err
	}
	return in, nil
}

// Connect implements service.BatchInput.
func (i *input) Connect(ctx context.Context) error { return i.ingest.Connect(ctx) }

// ReadBatch implements service.BatchInput.
func (i *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	b, err := i.ingest.Next(ctx)
	if errors.Is(err, delivery.ErrIdle) {
		return nil, nil, service.ErrNotConnected
	}
	if err != nil {
		return nil, nil, err
	}
	var settle sync.Once
	return i.messages(b), func(acked context.Context, err error) error {
		settle.Do(func() {
			switch {
			case acked.Err() != nil && ctx.Err() != nil:
				// Nobody reads any more, and nobody waits: a stop by force. Benthos'
				// `retry` may then acknowledge what it gave up
				// (internal/impl/pure/output_retry.go leaves its loop without an
				// error), so nothing counts. Should somebody read on, it comes again.
				i.ingest.Again(b)
			case err == nil:
				i.ingest.Acknowledge(b)
			default:
				i.ingest.Reject(b, err)
			}
		})
		return nil
	}, nil
}

// Close implements service.BatchInput.
func (i *input) Close(ctx context.Context) error { return i.ingest.Close(ctx) }

// messages builds the messages of a batch. They all carry its claim in their
// context: Benthos may hand a message the context of another of its batch, so
// what a context carries must be equal for all of them.
func (i *input) messages(b *delivery.Batch) service.MessageBatch {
	ctx := dedupe.WithClaim(context.Background(), b.Claim)
	batch := make(service.MessageBatch, 0, b.Len())
	for _, r := range b.Reads {
		var prototypes [delivery.NumSources]*service.Message
		for _, e := range r.Events {
			proto := &prototypes[e.Source]
			if *proto == nil {
				*proto = i.prototype(ctx, r, e.Source)
			}
			batch = append(batch, i.message(*proto, e))
		}
	}
	return batch
}

// prototype carries what is equal for all events of a read and a source. Its
// copies share that until they are changed.
func (i *input) prototype(ctx context.Context, r *delivery.Read, source delivery.Source) *service.Message {
	m := service.NewMessageWithContext(ctx, nil)
	m.MetaSetMut(metaStream, i.stream)
	m.MetaSetMut(metaPartition, partitionName(r.Partition))
	m.MetaSetMut(metaConnection, strconv.Itoa(r.Connection))
	m.MetaSetMut(metaSource, source.String())
	m.MetaSetMut(metaReceivedAt, r.Received.UTC().Format(metaTime))
	return m
}

func (i *input) message(prototype *service.Message, e delivery.Event) *service.Message {
	m := prototype.Copy()
	m.SetBytes(e.Raw)
	if e.Stripped != "" {
		m.MetaSetMut(metaStripped, e.Stripped)
	}
	if !i.eventMetadata {
		return m
	}
	id := e.Text
	if e.Snowflake != 0 {
		id = strconv.FormatUint(e.Snowflake, 10)
	}
	m.MetaSetMut(metaID, id)
	if e.Created != 0 {
		m.MetaSetMut(metaCreatedAt, time.UnixMilli(e.Created).UTC().Format(metaTime))
	}
	return m
}

// partitionName is how metadata and metrics show a partition: a stream without
// partitions has one.
func partitionName(n int) string { return strconv.Itoa(max(n, 1)) }

// inputConfig turns the parsed config into what ingest needs, and says what is
// wrong with it.
func inputConfig(conf *service.ParsedConfig, res *service.Resources, dial dialer) (ingest.Config, error) {
	var cfg ingest.Config
	name, err := conf.FieldString(fieldStream)
	if err != nil {
		return cfg, err
	}
	stream, known := xapi.Lookup(name)
	if !known {
		return cfg, fmt.Errorf("%s: unknown stream %q", fieldStream, name)
	}
	if why := unsupported(stream); why != "" {
		return cfg, fmt.Errorf("%s: %s %s", fieldStream, name, why)
	}
	cfg.Stream = stream
	cfg.Logger = newLogger(res.Logger())
	cfg.Observer = newMetrics(res.Metrics())
	cfg.Stalls = ingest.NewStallDetector()

	client := xapi.Config{Stalls: cfg.Stalls, UserAgent: userAgent(), Dial: dial}
	p := parser{conf: conf}
	client.BaseURL = p.string(fieldBaseURL)
	client.Parameters = p.stringMap(fieldParameters)
	client.ConnectTimeout = p.duration(path(fieldConnectTimeout), 0)
	client.HeartbeatTimeout = p.duration(path(fieldHeartbeatTimeout), stream.Watchdog)
	client.MaxLineBytes = p.int(fieldMaxLineBytes)
	client.ProxyURL = p.string(fieldProxyURL)
	cfg.Partitions = p.ints(fieldPartitions)
	cfg.Connections = p.int(fieldConnections)
	cfg.SilenceTimeout = p.duration(path(fieldSilenceTimeout), 0)
	cfg.QueueBytes = int64(p.int(fieldQueueBytes))
	cfg.InFlightBytes = int64(p.int(fieldInFlightBytes))
	cfg.MaxBatch = p.int(fieldMaxBatch)
	cfg.DedupeCapacity = p.int(fieldDedupe, fieldCapacity)
	cfg.DedupeMaxAge = p.durationOrZero(fieldDedupe, fieldMaxAge)
	cfg.DropRejected = !p.bool(fieldAutoReplayNacks)
	repairConfig(&p, stream, &cfg)
	if p.err != nil {
		return cfg, p.err
	}
	if err := checkConnections(stream, cfg, p.bool(fieldAllowMore)); err != nil {
		return cfg, err
	}
	if client.HeartbeatTimeout <= stream.Heartbeat {
		return cfg, fmt.Errorf("%s: %s is not longer than the %s between two of X's heartbeats: a quiet connection would never last",
			fieldHeartbeatTimeout, client.HeartbeatTimeout, stream.Heartbeat)
	}
	if err := checkpointConfig(&p, res, &cfg, client.BaseURL); err != nil {
		return cfg, err
	}
	if err := stream.CheckParameters(client.Parameters); err != nil {
		return cfg, fmt.Errorf("%s: %w", fieldParameters, err)
	}
	if conf.Contains(fieldTLS) {
		if client.TLS, err = conf.FieldTLS(fieldTLS); err != nil {
			return cfg, fmt.Errorf("%s: %w", fieldTLS, err)
		}
	}
	if client.Credentials, err = credentials(&p, client); err != nil {
		return cfg, err
	}
	cfg.ConnectTimeout = client.ConnectTimeout
	cfg.MaxLineBytes = client.MaxLineBytes
	cfg.Clients, err = clients(conf, client)
	return cfg, err
}

// credentials picks the one way to authenticate that the config sets.
func credentials(p *parser, client xapi.Config) (xapi.Credentials, error) {
	token, file := p.string(fieldBearerToken), p.string(fieldBearerTokenFile)
	key, secret := p.string(fieldAPIKey), p.string(fieldAPISecret)
	ways := 0
	for _, set := range []bool{token != "", file != "", key != "" || secret != ""} {
		if set {
			ways++
		}
	}
	switch {
	case p.err != nil:
		return nil, p.err
	case ways == 0:
		return nil, fmt.Errorf("%s: set it to the app's bearer token, or set %s, or %s with %s",
			fieldBearerToken, fieldBearerTokenFile, fieldAPIKey, fieldAPISecret)
	case ways > 1:
		return nil, fmt.Errorf("%s, %s and %s with %s exclude each other: set exactly one",
			fieldBearerToken, fieldBearerTokenFile, fieldAPIKey, fieldAPISecret)
	case token != "":
		return xapi.BearerToken(token), nil
	case file != "":
		return xapi.BearerTokenFile(file), nil
	case key == "" || secret == "":
		return nil, fmt.Errorf("%s and %s belong together: set both", fieldAPIKey, fieldAPISecret)
	}
	return xapi.AppOnly(key, secret, client), nil
}

// unsupported says why a stream of the catalogue cannot be read yet.
func unsupported(s xapi.Stream) string {
	if s.Name == "powertrack" {
		return "needs Basic authentication, an account and a label, which this version has no fields for; use powerstream"
	}
	return ""
}

// userAgent names the program and its version, which X asks for.
func userAgent() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
				version = m.Version
			}
		}
	}
	return "xconnect/" + version + " (+https://" + modulePath + ")"
}

const modulePath = "github.com/xconnect-dev/xconnect"
