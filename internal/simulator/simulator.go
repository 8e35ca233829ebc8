// Package simulator is an X that can be made to fail.
//
// Its history is a pure function of a seed and of time: which Posts exist, what
// they say, when they are delivered, and to which stream and partition they
// belong. Nothing is recorded but the rules of the filtered stream, so any
// period can be served live, by backfill, by recovery or by search, and
// [Simulator.Expected] and [Simulator.ExpectedSearch] can say which IDs a
// consumer must have.
//
// It serves the streams that carry Posts, the filtered stream's rules, both
// searches, recent counts and the history of connections, within the limits of
// an [Account]. Where X's documentation leaves a reading open, a setting chooses
// one.
//
// It knows X's streams from X's OpenAPI description and documentation alone.
// It must not know the code that it tests: a client built on the same tables
// would find its own mistakes confirmed.
//
// Time is time.Now, so a simulator runs inside testing/synctest. A bubble's
// clock starts in the year 2000, before X's Post IDs do: sleep to a later year
// before [New].
package simulator

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config describes a simulated X. The zero value serves 100 Posts a second to
// an account with Enterprise limits and the token "simulator".
type Config struct {
	// Seed chooses the history. The same seed gives the same Posts, byte for byte.
	Seed uint64
	// Rate is the number of Posts a second on the whole firehose; default 100.
	// A Post a minute is 1.0/60.
	Rate float64
	// MaxLateness bounds the time from a Post's creation to its delivery;
	// default 10 s. Two thirds of it is the 99th percentile.
	MaxLateness time.Duration
	// Rules are the filtered stream's rules at the start. Nil gives two that
	// together match every Post once; an empty slice gives none (status 409).
	Rules []Rule
	// RuleDelay is the time from a change of rules to its effect; default none.
	// X says about 20 s.
	RuleDelay time.Duration
	// Account holds the limits that X would enforce.
	Account Account
	// SendBuffer is the number of bytes that may wait for one slow client before
	// its connection is ended and they are thrown away; default 1 MiB. A backlog
	// does not count: it is read no faster than the client takes it.
	SendBuffer int
	// Overflow is what the client notices of that; default [OverflowReset].
	Overflow Overflow
	// SocketBuffer is the size in bytes of each direction of a connection in
	// memory; default 256 KiB. TCP uses the system's.
	SocketBuffer int
	// BackfillByCreation makes backfill_minutes select by the time of creation
	// instead of delivery. X's documentation leaves it open.
	BackfillByCreation bool
	// InterleaveBackfill sends live Posts and heartbeats in between a backlog
	// instead of after it, and heartbeats in between a recovery. X says only that
	// older Posts come "generally" first.
	InterleaveBackfill bool
	// RecoveryByCreation makes start_time and end_time of a stream select by the
	// time of creation instead of delivery, among the Posts that have been
	// delivered when the connection opens. X's documentation leaves it open.
	RecoveryByCreation bool
	// ReplaySpeed is how many times faster a recovery sends Posts than they were
	// delivered; default 0: as fast as the client takes them. X's documentation
	// leaves it open.
	ReplaySpeed float64
	// Faults happen at their time after the first call of [Simulator.Serve].
	// Times must not decrease. See [ParseFaults] and [RandomFaults].
	Faults iter.Seq[Fault]
}

// Overflow says how a connection ends whose send buffer is full.
type Overflow string

const (
	OverflowReset  Overflow = "reset"  // a TCP reset
	OverflowEnd    Overflow = "end"    // a FIN without the final chunk
	OverflowSilent Overflow = "silent" // no sign at all: X says that the notice may never arrive
)

const (
	defaultRate         = 100
	maxRate             = 1_000_000
	maxReplaySpeed      = 1_000_000
	defaultMaxLateness  = 10 * time.Second
	defaultSendBuffer   = 1 << 20
	defaultSocketBuffer = 256 << 10
)

// Simulator is one simulated X with one account.
type Simulator struct {
	config  Config
	history *history
	rules   *rules
	queries queries
	account *account
	faults  *faults
	handler http.Handler
	started time.Time
	posts   atomic.Int64
	script  sync.Once
}

// New returns a simulator whose time starts now. It starts no goroutine.
func New(c Config) (*Simulator, error) {
	if c.Rate == 0 {
		c.Rate = defaultRate
	}
	if c.MaxLateness == 0 {
		c.MaxLateness = defaultMaxLateness
	}
	if c.SendBuffer == 0 {
		c.SendBuffer = defaultSendBuffer
	}
	if c.SocketBuffer == 0 {
		c.SocketBuffer = defaultSocketBuffer
	}
	if c.Overflow == "" {
		c.Overflow = OverflowReset
	}
	if c.Rules == nil {
		c.Rules = defaultRules()
	}
	now := time.Now()
	switch {
	case !(c.Rate > 0 && c.Rate <= maxRate):
		return nil, fmt.Errorf("rate %v: must be above 0 and at most %d Posts a second", c.Rate, maxRate)
	case c.MaxLateness < 0 || c.MaxLateness > 10*time.Minute:
		return nil, fmt.Errorf("max lateness %v: must be between 0 and 10m", c.MaxLateness)
	case c.SendBuffer < 0 || c.SocketBuffer < 0 || c.RuleDelay < 0:
		return nil, errors.New("send buffer, socket buffer and rule delay must not be negative")
	case c.Overflow != OverflowReset && c.Overflow != OverflowEnd && c.Overflow != OverflowSilent:
		return nil, fmt.Errorf("overflow %q: must be reset, end or silent", c.Overflow)
	case !(c.ReplaySpeed >= 0 && c.ReplaySpeed <= maxReplaySpeed):
		return nil, fmt.Errorf("replay speed %v: must be between 0 and %d", c.ReplaySpeed, maxReplaySpeed)
	case now.Before(historyStart.AddDate(0, 0, 8)):
		return nil, fmt.Errorf("the clock says %s: Posts begin in %d (in a synctest bubble, sleep to a later year first)",
			now.UTC().Format(time.DateOnly), historyStart.Year())
	}
	rules, err := newRules(c.Rules, c.RuleDelay)
	if err != nil {
		return nil, err
	}
	s := &Simulator{
		config:  c,
		history: newHistory(c.Seed, c.Rate, c.MaxLateness),
		rules:   rules,
		account: newAccount(c.Account),
		started: now,
	}
	s.faults = newFaults(s.account)
	s.handler = s.routes()
	return s, nil
}

// Handler serves X's paths and the control paths under /simulator/. Its
// responses need HTTP/1.1 and a server that lets them hijack the connection; a
// stream ends when the request's base context does. Scripted faults and
// refused dials need [Simulator.Serve].
func (s *Simulator) Handler() http.Handler { return s.handler }

// Serve answers connections from l until ctx ends, then ends the streams,
// closes l and returns nil once nothing of it is running any more. The first
// call starts the clock of the scripted faults.
func (s *Simulator) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()

	s.script.Do(func() {
		if s.config.Faults != nil {
			running.Go(func() { s.faults.run(ctx, s.config.Faults) })
		}
	})
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			running.Add(1)
			defer running.Done()
			s.handler.ServeHTTP(w, r)
		}),
		// A connection counts until it is closed or taken over by its handler,
		// which has counted itself by then.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				running.Add(1)
			case http.StateClosed, http.StateHijacked:
				running.Done()
			}
		},
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	running.Go(func() {
		<-ctx.Done()
		server.Close()
	})
	err := server.Serve(newGate(ctx, l, s.faults))
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve simulator: %w", err)
}
