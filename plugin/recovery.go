package plugin

import (
	"slices"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/ingest"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Names of the fields of gap repair.
const (
	fieldRepair         = "repair"
	fieldMethods        = "methods"
	fieldMaxRepairAge   = "max_age"
	fieldWindow         = "window"
	fieldMaxJobs        = "max_jobs"
	fieldOverlap        = "overlap"
	fieldBackfill       = "backfill"
	fieldSearch         = "search"
	fieldEndpoint       = "endpoint"
	fieldMaxPosts       = "max_posts"
	fieldStripOperators = "strip_operators"
)

// Values of repair.backfill.
const (
	backfillExact = "exact"
	backfillMax   = "max"
)

// Values of repair.search.endpoint.
const (
	searchRecent = "recent"
	searchAll    = "all"
)

var backfillOptions = map[string]string{
	backfillExact: "as many minutes as are missing, rounded up: the fewest repeats",
	backfillMax:   "always the five minutes that X allows",
}

var endpointOptions = map[string]string{
	searchRecent: "the last seven days",
	searchAll:    "the last seven days, and the full archive for what is older; it needs access to the full-archive search",
}

// methods are X's ways to get missed data, in the order of their reach.
var methods = []string{string(repair.Backfill), string(repair.Recovery), string(repair.Search)}

// repairField is the config of gap repair: how what was missed is fetched.
func repairField() *service.ConfigField {
	return service.NewObjectField(fieldRepair,
		service.NewStringListField(fieldMethods).
			Description("What may be used to close a gap: `backfill` (a reconnect asks for up to 5 minutes), `recovery` (a connection that replays up to 24 hours; Enterprise access), `search` (the filtered stream's rules as queries, for what is older or where the account has neither; **it is billed by the Post**). Each part of a gap goes to the first of them that reaches its age and that X grants to the account. `[]`: nothing is repaired.").
			Default(toAny(methods)).
			LintRule(lintRule(fieldMethods, `this.type() == "string" && !`+literal(methods)+".contains(this)", "hold backfill, recovery and search only")),
		service.NewDurationField(fieldMaxRepairAge).
			Description("How old a part of a gap may be to be fetched. What is older is lost, with the reason `max_age`. `0s`: no bound but X's.").
			Default("168h").
			LintRule(lintDurationNotNegative("repair."+fieldMaxRepairAge)),
		durationField(fieldWindow, "2h",
			"Longest period to ask for in one recovery connection or to search at a time. X advises two hours; one that breaks off goes on from where it was."),
		positiveIntField(fieldMaxJobs, 2,
			"Recovery connections at a time, over all partitions. X allows two to an app: where several processes share one, set 1 in each."),
		optionalDurationField(fieldOverlap,
			"How far before a gap to fetch as well, because events may still have been on their way when it began. It grows by itself to the measured 99.9th percentile of lateness, up to two minutes. Default: by stream, 30 s on filtered and Powerstream, 2 m on the others."),
		service.NewStringAnnotatedEnumField(fieldBackfill, backfillOptions).
			Description("How many minutes of backfill a reconnect asks for.").
			Default(backfillExact).
			LintRule(lintOption(fieldBackfill, backfillOptions)),
		service.NewObjectField(fieldSearch,
			service.NewStringAnnotatedEnumField(fieldEndpoint, endpointOptions).
				Description("How far back a search may go.").
				Default(searchRecent).
				LintRule(lintOption(fieldEndpoint, endpointOptions)),
			service.NewIntField(fieldMaxPosts).
				Description("How many Posts the searches for one gap may bring: X bills each. What is left then is lost, with the reason `max_posts`. `0`: no bound.").
				Default(10_000).
				LintRule(lintRule(fieldMaxPosts, "this.number().catch(-1) < 0", "not be negative")),
			service.NewBoolField(fieldStripOperators).
				Description("Whether to search for a rule that has an operator which search lacks (`sample:` or `bio:`, say) without that operator, where that only widens what is found. Such events carry the metadata `x_search_stripped` with the terms that were left out; there can be very many of them, and each is billed. With `false` such a rule is not searched for, and the log and the ledger name it.").
				Default(false),
		).Description("How search is used. It brings what X's present rules find: for a gap in which they changed, that differs from what the stream would have sent. It never counts as covered, but as searched.").Advanced(),
	).Description("How a gap in the stream is repaired. What cannot be fetched is logged and counted in `x_stream_gap_lost_seconds`, with the reason.").Advanced()
}

func toAny(list []string) (all []any) {
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

// repairConfig reads the config of gap repair into cfg.
func repairConfig(p *parser, stream xapi.Stream, cfg *ingest.Config) {
	offered := map[string]bool{
		string(repair.Backfill): stream.Backfill,
		string(repair.Recovery): stream.Recovery,
		string(repair.Search):   stream.Search,
	}
	for _, m := range p.strings(fieldRepair, fieldMethods) {
		if !slices.Contains(methods, m) {
			p.fail(path(fieldRepair, fieldMethods), "holds %q, which is none of %v", m, methods)
		}
		if offered[m] {
			cfg.Repair.Methods = append(cfg.Repair.Methods, repair.Method(m))
		}
	}
	cfg.Repair.MaxAge = p.durationOrZero(fieldRepair, fieldMaxRepairAge)
	cfg.Repair.Window = p.duration(path(fieldRepair, fieldWindow), 2*time.Hour)
	cfg.Repair.MaxJobs = p.int(fieldRepair, fieldMaxJobs)
	cfg.Overlap = p.duration(path(fieldRepair, fieldOverlap), stream.Overlap)
	cfg.AlwaysBackfill = p.option(backfillOptions, fieldRepair, fieldBackfill) == backfillMax
	cfg.Repair.SearchAll = p.option(endpointOptions, fieldRepair, fieldSearch, fieldEndpoint) == searchAll
	cfg.Repair.MaxPosts = p.intOrZero(fieldRepair, fieldSearch, fieldMaxPosts)
	cfg.StripOperators = p.bool(fieldRepair, fieldSearch, fieldStripOperators)
}
