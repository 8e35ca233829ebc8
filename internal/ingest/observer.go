package ingest

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/delivery"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Observer is told what happens, for metrics. Its methods are called from
// many goroutines, at most once a read or a batch, and must not block.
type Observer interface {
	// Connected is called when a connection came up or went down, with the
	// number of the partition's connections that are up now.
	Connected(partition, up int)
	// Reconnecting is called when an attempt or a connection has ended and the
	// next attempt follows after wait.
	Reconnecting(partition int, reason string, wait time.Duration)
	// Waited is called when a connect may be sent, with the time that it had
	// to wait for the connect budget or for others that went first.
	Waited(partition int, d time.Duration)
	// Arrived is called after each read that held anything but heartbeats.
	Arrived(partition int, c delivery.Counts)
	// Accounted is called for each partition once a second.
	Accounted(partition int, s Status)
	// Buffered is called once a second with the bytes that wait in the queue and
	// the bytes that are handed out and unacknowledged.
	Buffered(queued, inFlight int64)
	// Repaired is called when a backfill or a job has closed that much of a gap.
	Repaired(partition int, method string, closed time.Duration)
	// Repairing is called with the number of jobs that run, by method.
	Repairing(jobs map[string]int)
	// Left is called once a second with the number of connects that the budget
	// still has.
	Left(connects int)
	// Rejected is called when the output rejected events for good.
	Rejected(events int)
}

// reasonOf is the label under which an ending is counted.
func reasonOf(p *xapi.Problem) string {
	if p.Reason == "" {
		return "unknown"
	}
	return p.Reason
}
