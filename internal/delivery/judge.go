package delivery

import (
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
)

// Judge tells which events of a read are new: it appends a verdict for each of
// keys to verdicts. They arrived at now, by X's clock, under claim. It returns
// what settles the read of the new ones, and nil when there is none.
type Judge func(now time.Time, claim *dedupe.Claim, keys []dedupe.Key, verdicts []dedupe.Verdict) ([]dedupe.Verdict, Settle)
