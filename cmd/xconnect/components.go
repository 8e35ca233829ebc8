//go:build !lint

package main

// The components that are linked in, beside x_stream and x_dedupe. NOTICE says
// under which licences they come; `make generate` brings it up to date.
import (
	// Files, HTTP, standard streams, sockets, subprocesses.
	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	// Bloblang, processors, caches and outputs that need nothing from outside.
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	// Compression with zstd.
	_ "github.com/redpanda-data/benthos/v4/public/components/pure/extended"
	// S3, Kinesis, Firehose, SQS, SNS, DynamoDB, Lambda, CloudWatch.
	_ "github.com/redpanda-data/connect/v4/public/components/aws"
	_ "github.com/redpanda-data/connect/v4/public/components/elasticsearch/v8"
	_ "github.com/redpanda-data/connect/v4/public/components/kafka"
	_ "github.com/redpanda-data/connect/v4/public/components/opensearch"
	_ "github.com/redpanda-data/connect/v4/public/components/prometheus"
	_ "github.com/redpanda-data/connect/v4/public/components/redis"
	// The SQL components without drivers; the two drivers follow.
	_ "github.com/redpanda-data/connect/v4/public/components/sql/base"

	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	_ "github.com/xconnect-dev/xconnect/plugin"
)
