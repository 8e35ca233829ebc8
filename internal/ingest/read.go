package ingest

import (
	"bytes"
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

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

func (s Source) String() string { return [...]string{"live", "backfill", "recovery", "search"}[s] }

// Event is one event as X sent it.
type Event struct {
	Raw       []byte // never changed by anyone
	Snowflake uint64 // the event's key where that is a Post ID or another snowflake, else 0
	Text      string // the event's key where it is not
	Created   int64  // Unix milliseconds; 0: unknown
	Source    Source
	Stripped  string // terms of rules that the search which brought it left out
}

// Read is the new events of one read of one connection. It is the unit in
// which events are queued, handed out and acknowledged.
type Read struct {
	Partition  int       // 0 on a stream without partitions
	Connection int       // 1..N, of the partition's
	Received   time.Time // by X's clock
	Events     []Event

	repaired bool // brought by a job
	bytes    int64
	claim    *dedupe.Claim
	settle   settle
}

// fate is what became of a read.
type fate uint8

const (
	acknowledged fate = iota // the output has it
	rejected                 // the output has refused it for good
)

// settle takes notice of what became of a read. It is called exactly once for
// each, after its claim says the same, and under no lock.
type settle func(r *Read, f fate)

// judge tells which events of a read, which was made at now, are new: it
// appends a verdict for each key to verdicts. The settle is nil when none is.
// Repaired says that a job brought them.
type judge func(now time.Time, claim *dedupe.Claim, keys []dedupe.Key, verdicts []dedupe.Verdict, repaired bool) ([]dedupe.Verdict, settle)

// Counts is what one read held.
type Counts struct {
	New        [NumSources]int // events that were not known, by source
	Duplicates [NumSources]int // events that were, by the source of the copy
	Malformed  int
	Oversized  int
	Lag        time.Duration // of the newest live event behind now; 0: none came
}

// sieve turns the lines of a read into the events that are new. It belongs to
// one connection or job and reuses its memory: a copy that a window knows already
// costs a look-up and allocates nothing.
type sieve struct {
	format     xapi.Format
	judge      judge
	partition  int
	connection int
	source     Source // Live, or by which way a job brings events
	claim      *dedupe.Claim
	events     []xapi.Event
	keys       []dedupe.Key
	verdicts   []dedupe.Verdict
	raws       [][]byte
	late       []time.Duration // of live events since the last proof, see lateMost
}

// lateMost bounds the measurements of lateness between two proofs.
const lateMost = 4096

// sifted is the outcome of one read.
type sifted struct {
	read    *Read // nil: nothing new
	taking  taking
	old     bool // an event was created before the opening
	counts  Counts
	problem *xapi.Problem // X announced something, usually the end
	garbage []byte        // a malformed line, valid until the next read
}

// sift judges the lines that were read at now, by X's clock, on a connection
// with that span, or by a job that has none.
func (s *sieve) sift(lines [][]byte, now time.Time, sp *span) sifted {
	out := sifted{taking: taking{lines: len(lines) > 0}}
	s.events = s.events[:0]
	for _, line := range lines {
		if len(line) > 0 {
			s.events = xapi.AppendEvents(s.events, line, s.format)
		}
	}
	events := s.data(&out)
	if len(events) == 0 {
		return out
	}
	out.taking.data = true
	if s.claim == nil {
		s.claim = &dedupe.Claim{}
	}
	var settle settle
	s.verdicts, settle = s.judge(now, s.claim, s.keys, s.verdicts[:0], sp == nil)
	s.date(events, now, sp, &out)
	// A claim is new with each read, so a retry under it can only be a second
	// copy within the read.
	fresh := events[:0]
	for i, e := range events {
		if s.verdicts[i] == dedupe.New {
			fresh = append(fresh, e)
		} else {
			out.counts.Duplicates[s.sourceOf(e, sp)]++
		}
	}
	if len(fresh) > 0 {
		out.read = s.newRead(fresh, now, sp)
		out.read.settle = settle
		s.claim = nil
		for _, e := range out.read.Events {
			out.counts.New[e.Source]++
		}
	}
	return out
}

// data picks the events out of what was parsed, with their keys, and notes the
// rest in out.
func (s *sieve) data(out *sifted) []xapi.Event {
	s.keys = s.keys[:0]
	events := s.events[:0]
	for _, e := range s.events {
		switch {
		case e.Kind == xapi.Data:
			events = append(events, e)
			if e.Snowflake != 0 {
				s.keys = append(s.keys, dedupe.Snowflake(e.Snowflake))
			} else {
				s.keys = append(s.keys, dedupe.Text(e.ID))
			}
		case e.Kind == xapi.Malformed:
			out.counts.Malformed++
			out.garbage = e.Raw
		case e.Problem != nil:
			out.problem = e.Problem
		}
	}
	return events
}

// date reads the creation times: repeats say as much of the connection's
// coverage as what is new.
func (s *sieve) date(events []xapi.Event, now time.Time, sp *span, out *sifted) {
	newest, opened := int64(0), int64(0)
	if sp != nil {
		opened = sp.opened.UnixMilli()
	}
	for _, e := range events {
		newest = max(newest, e.Created)
		if sp == nil || e.Created == 0 {
			continue
		}
		if e.Created < opened {
			out.old = true
		} else if len(s.late) < lateMost {
			s.late = append(s.late, now.Sub(time.UnixMilli(e.Created)))
		}
	}
	if newest == 0 {
		return
	}
	out.taking.newest = time.UnixMilli(newest)
	if sp != nil && !sp.backlog(out.taking.newest) {
		out.counts.Lag = now.Sub(out.taking.newest)
	}
}

// sourceOf tells what a connection with that span repeated from what it
// brought live.
func (s *sieve) sourceOf(e xapi.Event, sp *span) Source {
	if sp != nil && e.Created != 0 && sp.backlog(time.UnixMilli(e.Created)) {
		return Backfill
	}
	return s.source
}

// newRead copies events into one piece of memory.
func (s *sieve) newRead(events []xapi.Event, now time.Time, sp *span) *Read {
	s.raws = s.raws[:0]
	for _, e := range events {
		s.raws = append(s.raws, e.Raw)
	}
	slab := bytes.Join(s.raws, nil) // does not clear the memory first, as make does
	r := &Read{
		Partition: s.partition, Connection: s.connection, Received: now, Events: make([]Event, len(events)),
		repaired: sp == nil, bytes: int64(len(slab)), claim: s.claim,
	}
	for i, e := range events {
		n := len(e.Raw)
		kept := Event{Raw: slab[:n:n], Snowflake: e.Snowflake, Created: e.Created, Source: s.sourceOf(e, sp)}
		slab = slab[n:]
		if e.Snowflake == 0 {
			kept.Text = string(e.ID)
		}
		r.Events[i] = kept
	}
	return r
}

// created is the period from the creation of the read's oldest event to that
// of its newest.
func (r *Read) created() (oldest, newest time.Time) {
	for n, e := range r.Events {
		at := r.Received
		if e.Created != 0 {
			at = time.UnixMilli(e.Created)
		}
		if n == 0 || at.Before(oldest) {
			oldest = at
		}
		if n == 0 || at.After(newest) {
			newest = at
		}
	}
	return oldest, newest
}
