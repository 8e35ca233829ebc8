package plugin

import (
	"fmt"
	"slices"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/ingest"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Names of the fields of networks.
const (
	fieldNetworks     = "networks"
	fieldLocalAddress = "local_address"
)

// networksField is the config of the ways to X that connections take.
func networksField() *service.ConfigField {
	return service.NewObjectListField(fieldNetworks,
		service.NewStringField(fieldLocalAddress).
			Description("IP address of this machine that the connection leaves from. Default: as the system chooses.").
			Default("").
			LintRule(lintRule(fieldLocalAddress, `this != "" && !this.re_match("^[0-9.]+$") && !this.contains(":")`, "be an IP address of this machine")),
		service.NewStringField(fieldProxyURL).
			Description("Proxy for this way, as `proxy_url`. Default: the `proxy_url` of the input.").
			Secret().Default("").
			LintRule(lintRule("networks: "+fieldProxyURL, `this != "" && !this.re_match("^(http|https|socks5)://[^/]")`, "begin with http://, https:// or socks5://")),
	).Description("Ways out to X. Connection 1 of each partition takes the first, connection 2 the second, and so on, from the beginning again after the last: so redundant connections do not share what may fail. Default: one way, as the system and `proxy_url` say.").
		Optional().Advanced().
		Example([]any{
			map[string]any{fieldLocalAddress: "192.0.2.10"},
			map[string]any{fieldLocalAddress: "198.51.100.10", fieldProxyURL: "http://proxy.example:3128"},
		})
}

// clients makes a client for each of the networks, or one where none is set.
func clients(conf *service.ParsedConfig, base xapi.Config) ([]*xapi.Client, error) {
	networks, err := conf.FieldObjectList(fieldNetworks)
	if err != nil {
		return nil, err
	}
	if len(networks) == 0 {
		client, err := xapi.NewClient(base)
		return []*xapi.Client{client}, err
	}
	var all []*xapi.Client
	for i, network := range networks {
		cfg := base
		p := parser{conf: network}
		cfg.LocalAddress = p.string(fieldLocalAddress)
		if proxy := p.string(fieldProxyURL); proxy != "" {
			cfg.ProxyURL = proxy
		}
		if p.err != nil {
			return nil, p.err
		}
		client, err := xapi.NewClient(cfg)
		if err != nil {
			return nil, fmt.Errorf("%s, entry %d: %w", fieldNetworks, i+1, err)
		}
		all = append(all, client)
	}
	return all, nil
}

// checkConnections says what is wrong with the number of connections and the
// partitions that they are for.
func checkConnections(stream xapi.Stream, cfg ingest.Config, allowMore bool) error {
	for i, n := range cfg.Partitions {
		switch {
		case stream.Partitions == 0:
			return fmt.Errorf("%s: stream %s has none: leave it out", fieldPartitions, stream.Name)
		case n < 1 || n > stream.Partitions:
			return fmt.Errorf("%s: %d is not one of the %d partitions of stream %s", fieldPartitions, n, stream.Partitions, stream.Name)
		case slices.Contains(cfg.Partitions[:i], n):
			return fmt.Errorf("%s: %d stands there twice; for a second connection to each, set %s", fieldPartitions, n, fieldConnections)
		}
	}
	partitions := len(stream.Select(cfg.Partitions))
	if all := cfg.Connections * partitions; stream.Connections > 0 && all > stream.Connections && !allowMore {
		return fmt.Errorf("%s: %d to each of %d partitions are more than the %d that X allows to stream %s; if your contract gives you more, set %s: true",
			fieldConnections, cfg.Connections, partitions, stream.Connections, stream.Name, fieldAllowMore)
	}
	if share := cfg.DedupeCapacity / partitions; cfg.MaxBatch > share {
		return fmt.Errorf("%s: %d is more than the share of a partition in %s.%s (%d): a batch must fit into the window that keeps it free of repeats",
			fieldMaxBatch, cfg.MaxBatch, fieldDedupe, fieldCapacity, share)
	}
	return nil
}

// lintConnections is the twin of checkConnections in Bloblang. It wants
// $stream, and sets $connections to what is wrong.
func lintConnections() string {
	partitions, allowed := map[string]int{}, map[string]int{}
	for _, s := range xapi.Streams() {
		partitions[s.Name] = s.Partitions
		if s.Connections > 0 {
			allowed[s.Name] = s.Connections
		}
	}
	return fmt.Sprintf(`
let partitions = %s.get($stream).or(0)
let chosen = this.partitions.or([]).map_each(n -> n.number().catch(0))
let outside = if $partitions == 0 && $chosen.length() > 0 {
  ["partitions: stream %%s has none: leave it out".format($stream)]
} else if $partitions > 0 && $chosen.any(n -> n < 1 || n > $partitions) {
  ["partitions: they must lie between 1 and %%v".format($partitions)]
} else if $chosen.unique().length() < $chosen.length() {
  ["partitions: a number stands there twice; for a second connection to each, set connections"]
} else { [] }

let count = if $chosen.length() > 0 { $chosen.length() } else { [$partitions, 1].max() }
let all = this.connections.or(1).number().catch(1) * $count
let allowed = %s.get($stream).or(0)
let crowd = if $allowed > 0 && $all > $allowed && !this.allow_more_connections.or(false).bool().catch(true) {
  ["connections: %%v in all are more than the %%v that X allows to stream %%s; if your contract gives you more, set allow_more_connections: true".format($all, $allowed, $stream)]
} else { [] }

let share = this.dedupe.capacity.or(1000000).number().catch(0) / $count
let batch = if $share > 0 && this.max_batch.or(1000).number().catch(0) > $share {
  ["max_batch must not be more than the share of a partition in dedupe.capacity: a batch must fit into the window that keeps it free of repeats"]
} else { [] }

let connections = $outside.concat($crowd, $batch)`, literal(partitions), literal(allowed))
}
