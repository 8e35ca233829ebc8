package delivery

import (
	"bytes"
	"time"

	"github.com/xconnect-dev/xconnect/internal/dedupe"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// Origin is where the lines of a Decoder come from.
type Origin struct {
	Partition  int    // 0 on a stream without partitions
	Connection int    // 1..N, of the partition's; 0: a job
	Source     Source // Live of a connection; Recovery or Search of a job
}

// Decoder turns the lines of a read into the events that are new. It belongs
// to one connection or job, may be used by one goroutine at a time, and reuses
// its memory: a copy of a known event costs a look-up and allocates nothing.
type Decoder struct {
	format   xapi.Format
	origin   Origin
	judge    Judge
	claim    *dedupe.Claim // of the next read with new events; nil: not made yet
	events   []xapi.Event
	keys     []dedupe.Key
	verdicts []dedupe.Verdict
	raws     [][]byte
	lateness []time.Duration
}

// lateMost bounds the measurements of lateness between two drains.
const lateMost = 4096

// NewDecoder makes a decoder of lines of that format and origin. It asks judge
// once for each read that has events.
func NewDecoder(format xapi.Format, origin Origin, judge Judge) *Decoder {
	return &Decoder{format: format, origin: origin, judge: judge}
}

// Decode judges the lines that were read at now, by X's clock, on a connection
// with that opening. An empty line is a heartbeat. It keeps none of the lines.
func (d *Decoder) Decode(lines [][]byte, now time.Time, o Opening) Decoded {
	out := Decoded{Arrival: Arrival{Lines: len(lines) > 0}}
	d.events = d.events[:0]
	for _, line := range lines {
		if len(line) > 0 {
			d.events = xapi.AppendEvents(d.events, line, d.format)
		}
	}
	events := d.data(&out)
	if len(events) == 0 {
		return out
	}
	out.Arrival.Data = true
	if d.claim == nil {
		d.claim = &dedupe.Claim{}
	}
	var settle Settle
	d.verdicts, settle = d.judge(now, d.claim, d.keys, d.verdicts[:0])
	d.date(events, now, o, &out)
	// A claim is new with each read, so a retry under it can only be a second
	// copy within the read.
	fresh := events[:0]
	for i, e := range events {
		if d.verdicts[i] == dedupe.New {
			fresh = append(fresh, e)
		} else {
			out.Counts.Duplicates[d.sourceOf(e, o)]++
		}
	}
	if len(fresh) > 0 {
		out.Read = d.newRead(fresh, now, o, settle)
		d.claim = nil
		for _, e := range out.Read.Events {
			out.Counts.New[e.Source]++
		}
	}
	return out
}

// DrainLateness returns how long after their creation live events arrived since
// it was last called, of the first few thousand of them. The slice is valid
// until the next Decode.
func (d *Decoder) DrainLateness() []time.Duration {
	drained := d.lateness
	d.lateness = d.lateness[:0]
	return drained
}

// data picks the events out of what was parsed, with their keys, and notes the
// rest in out.
func (d *Decoder) data(out *Decoded) []xapi.Event {
	d.keys = d.keys[:0]
	events := d.events[:0]
	for _, e := range d.events {
		switch {
		case e.Kind == xapi.Data:
			events = append(events, e)
			if e.Snowflake != 0 {
				d.keys = append(d.keys, dedupe.Snowflake(e.Snowflake))
			} else {
				d.keys = append(d.keys, dedupe.Text(e.ID))
			}
		case e.Kind == xapi.Malformed:
			out.Counts.Malformed++
			out.Garbage = e.Raw
		case e.Problem != nil:
			out.Problem = e.Problem
		}
	}
	return events
}

// date reads the creation times.
func (d *Decoder) date(events []xapi.Event, now time.Time, o Opening, out *Decoded) {
	repaired := d.origin.Source.repaired()
	newest, opened := int64(0), o.At.UnixMilli()
	for _, e := range events {
		newest = max(newest, e.Created)
		if repaired || e.Created == 0 {
			continue
		}
		if e.Created < opened {
			out.Arrival.Old = true
		} else if len(d.lateness) < lateMost {
			d.lateness = append(d.lateness, now.Sub(time.UnixMilli(e.Created)))
		}
	}
	if newest == 0 {
		return
	}
	out.Arrival.Newest = time.UnixMilli(newest)
	if !repaired && !o.backlog(out.Arrival.Newest) {
		out.Counts.Lag = now.Sub(out.Arrival.Newest)
	}
}

// sourceOf tells what a connection with that opening repeated from what it
// brought live.
func (d *Decoder) sourceOf(e xapi.Event, o Opening) Source {
	if e.Created != 0 && o.backlog(time.UnixMilli(e.Created)) {
		return Backfill
	}
	return d.origin.Source
}

// newRead copies events into one piece of memory.
func (d *Decoder) newRead(events []xapi.Event, now time.Time, o Opening, settle Settle) *Read {
	d.raws = d.raws[:0]
	for _, e := range events {
		d.raws = append(d.raws, e.Raw)
	}
	slab := bytes.Join(d.raws, nil) // does not clear the memory first, as make does
	r := &Read{
		Partition: d.origin.Partition, Connection: d.origin.Connection, Received: now, Events: make([]Event, len(events)),
		repaired: d.origin.Source.repaired(), bytes: int64(len(slab)), claim: d.claim, settle: settle,
	}
	for i, e := range events {
		n := len(e.Raw)
		kept := Event{Raw: slab[:n:n], Snowflake: e.Snowflake, Created: e.Created, Source: d.sourceOf(e, o)}
		slab = slab[n:]
		if e.Snowflake == 0 {
			kept.Text = string(e.ID)
		}
		r.Events[i] = kept
	}
	return r
}
