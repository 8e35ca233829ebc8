package repair

import "github.com/xconnect-dev/xconnect/internal/coverage"

// Reasons for which a part of a gap is lost. They are labels of a metric.
const (
	NoMethod       = "no_method"       // no method is allowed, or the stream offers none of those that are
	NoBackfill     = "no_backfill"     // X refuses backfill, and nothing else is allowed
	BeyondBackfill = "beyond_backfill" // older than 5 minutes, and only backfill is allowed
	NoRecovery     = "no_recovery"     // X refused recovery until the part was older than 24 hours
	BeyondRecovery = "beyond_recovery" // older than 24 hours when it was found, without search
	NoSearch       = "no_search"       // X refused search for as long as it was worth waiting for
	BeyondSearch   = "beyond_search"   // older than 7 days when it was found, without archive access
	Expired        = "expired"         // it grew too old while it waited for its turn or its jobs broke
	MaxAge         = "max_age"         // older than Config.MaxAge
	MaxPosts       = "max_posts"       // the searches of its gap have brought Config.MaxPosts
)

// Loss is a part of a gap that no method can close any more.
type Loss struct {
	Partition int
	coverage.Interval
	Reason string
}
