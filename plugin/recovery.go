package plugin

import (
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/ingest"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Names of the fields of gap repair.
const (
	fieldRepair   = "repair"
	fieldOverlap  = "overlap"
	fieldBackfill = "backfill"
)

// Values of repair.backfill.
const (
	backfillExact = "exact"
	backfillMax   = "max"
)

var backfillOptions = map[string]string{
	backfillExact: "as many minutes as are missing, rounded up: the fewest repeats",
	backfillMax:   "always the five minutes that X allows",
}

// repairField is the config of gap repair: how what was missed is fetched.
func repairField() *service.ConfigField {
	return service.NewObjectField(fieldRepair,
		optionalDurationField(fieldOverlap,
			"How far before a gap to fetch as well, because events may still have been on their way when it began. It grows by itself to the measured 99.9th percentile of lateness, up to two minutes. Default: by stream, 30 s on filtered and Powerstream, 2 m on the others."),
		service.NewStringAnnotatedEnumField(fieldBackfill, backfillOptions).
			Description("How many minutes of backfill a reconnect asks for.").
			Default(backfillExact).
			LintRule(lintOption(fieldBackfill, backfillOptions)),
	).Description("How a gap in the stream is repaired. Where X serves no backfill to the account, or a gap is older than the five minutes that a backfill reaches back, it is logged and counted in `x_stream_gap_lost_seconds`.").Advanced()
}

// repairConfig reads the config of gap repair into cfg.
func repairConfig(p *parser, stream xapi.Stream, cfg *ingest.Config) {
	cfg.Overlap = p.duration(path(fieldRepair, fieldOverlap), stream.Overlap)
	switch how := p.string(fieldRepair, fieldBackfill); how {
	case backfillExact:
	case backfillMax:
		cfg.AlwaysBackfill = true
	default:
		p.fail(path(fieldRepair, fieldBackfill), "must be %s or %s, and is %q", backfillExact, backfillMax, how)
	}
}
