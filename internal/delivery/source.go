package delivery

// Source says by which way an event came. The words are X's.
type Source uint8

// The sources of an event.
const (
	Live Source = iota
	Backfill
	Recovery
	Search
	NumSources // how many there are
)

// String is the source's name in metadata and metrics.
func (s Source) String() string { return [...]string{"live", "backfill", "recovery", "search"}[s] }

// repaired reports whether a job brings what comes that way.
func (s Source) repaired() bool { return s == Recovery || s == Search }
