// Package wait holds the ways in which a goroutine waits here: for a change, for
// a time, and for times that grow. It knows nothing of what is waited for.
package wait

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Sleep waits for d, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Doubling goes first, 2 first, 4 first, ... limit, without jitter of its own.
func Doubling(first, limit time.Duration) backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(first),
		backoff.WithMaxInterval(limit),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0),
		backoff.WithMaxElapsedTime(0),
	)
}
