package delivery

import "time"

// Counts is what one read contained.
type Counts struct {
	New        [NumSources]int // events that were not known, by source
	Duplicates [NumSources]int // events that were, by the source of the copy
	Malformed  int             // lines, or elements of them
	Oversized  int             // lines that the reader skipped, who adds them here
	Lag        time.Duration   // of the newest live event behind now; 0: none came
}
