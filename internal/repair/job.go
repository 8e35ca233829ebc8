package repair

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/coverage"
)

// Job is one recovery request, or for search a window over all rules.
type Job struct {
	Method    Method // Recovery or Search
	Partition int
	// Window is in whole seconds, rounded outward from the gap, which may make
	// it a second longer than Config.Window.
	Window    coverage.Interval
	SearchAll bool // search the full archive
	MaxPosts  int  // most Posts that a search may bring; 0: no bound
}

func (j Job) endpoint() endpoint {
	switch {
	case j.Method == Recovery:
		return recovery
	case j.SearchAll:
		return archive
	default:
		return recent
	}
}

// same reports whether j and o are one job: no two that run at a time share a
// moment of a partition.
func (j Job) same(o Job) bool {
	return j.Method == o.Method && j.Partition == o.Partition && j.Window.From.Equal(o.Window.From)
}

// Outcome is how a job ended.
type Outcome int

const (
	Done     Outcome = iota // all of its window is repaired
	Broken                  // what is left of its window is still a gap
	NoAccess                // X refuses the endpoint to this account: 403, or 400 for a request inside all limits
	Capped                  // Job.MaxPosts is reached
)

// Running is a job that was started and has not ended.
type Running struct {
	Job
	Since time.Time
	gap   *history
}
