package repair

import (
	"math"
	"time"
)

// Method is one of X's ways to get what was missed.
type Method string

// The methods, in X's words.
const (
	Backfill Method = "backfill" // minutes asked for at a connect
	Recovery Method = "recovery" // a connection that replays a window
	Search   Method = "search"   // the search endpoints, for filtered streams
)

// endpoint is a method, and for search one of its two endpoints: X grants
// access to each, and each reaches back so far.
type endpoint int

const (
	backfill endpoint = iota
	recovery
	recent
	archive
	endpoints // their number
)

// How far back X's methods reach (docs.x.com: "Recovery and redundancy
// features", "Search Posts"), less edgeMargin where a request that arrives
// late would be refused.
const (
	backfillReach = 5 * time.Minute
	recoveryReach = 24*time.Hour - edgeMargin
	recentReach   = 7*24*time.Hour - edgeMargin
	forever       = time.Duration(math.MaxInt64)

	edgeMargin = 2 * time.Minute
)

func (e endpoint) reach() time.Duration {
	return [endpoints]time.Duration{backfillReach, recoveryReach, recentReach, forever}[e]
}

func (e endpoint) method() Method {
	return [endpoints]Method{Backfill, Recovery, Search, Search}[e]
}
