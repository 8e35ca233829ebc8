package dedupe

import (
	"context"
	"sync/atomic"
)

// Claim is the identity of events that travel together. A key that comes again
// under the claim that it was first seen with is a retry; under another claim
// it is a duplicate.
type Claim struct {
	rejected atomic.Bool
}

// Reject marks the claim's events as refused by the output for good, so that
// a later copy of them is let through.
func (c *Claim) Reject() { c.rejected.Store(true) }

// Rejected reports whether Reject was called.
func (c *Claim) Rejected() bool { return c.rejected.Load() }

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
