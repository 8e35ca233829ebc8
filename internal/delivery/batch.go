package delivery

import "github.com/xconnect-dev/xconnect/internal/dedupe"

// Batch is a number of reads that are handed out together. It is the unit
// that an output acknowledges or rejects.
type Batch struct {
	// Claim is the batch's identity, the same at each retry.
	Claim *dedupe.Claim
	Reads []*Read // at least one, in the order in which they were queued

	bytes  int64
	events int
}

// Len is the number of events in the batch.
func (b *Batch) Len() int { return b.events }
