package dedupe

import (
	"context"
	"sync/atomic"
)

// Claim is the identity of events that travel together. A key that comes again
// under the claim that it was first seen with is a retry; under another claim
// it is a duplicate.
type Claim struct {
	fate atomic.Int32
}

const (
	undecided int32 = iota
	acknowledged
	rejected
)

// Acknowledge marks the claim's events as taken by the output, so that they
// may be remembered across a restart.
func (c *Claim) Acknowledge() { c.fate.Store(acknowledged) }

// Acknowledged reports whether Acknowledge was called.
func (c *Claim) Acknowledged() bool { return c.fate.Load() == acknowledged }

// Reject marks the claim's events as refused by the output for good, so that
// a later copy of them is let through.
func (c *Claim) Reject() { c.fate.Store(rejected) }

// Rejected reports whether Reject was called.
func (c *Claim) Rejected() bool { return c.fate.Load() == rejected }

type claimKey struct{}

// WithClaim returns a context that carries c, for the messages of a batch.
func WithClaim(ctx context.Context, c *Claim) context.Context {
	return context.WithValue(ctx, claimKey{}, c)
}

// ClaimOf returns the claim that ctx carries, and nil when it carries none.
func ClaimOf(ctx context.Context) *Claim {
	c, _ := ctx.Value(claimKey{}).(*Claim)
	return c
}
