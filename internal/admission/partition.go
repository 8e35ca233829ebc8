package admission

import "time"

// partition is what is known of the connections of one partition.
type partition struct {
	wanted  int       // connections
	up      int       // of them
	dialing int       // connects under way
	awaited time.Time // until then redundant connects let this partition go first

	eviction eviction
}
