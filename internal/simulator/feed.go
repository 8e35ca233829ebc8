package simulator

import (
	"math"
	"time"
)

// feed is what a connection still has to send. It holds Posts, not bytes: the
// history can make any line again, so the send buffer of a slow client costs a
// few bytes a Post, and throwing it away costs nothing.
//
// It is fed by a backlog, read no faster than the client takes it, and by live
// Posts, of which all that are due wait. A recovery is a backlog alone.
type feed struct {
	history *history
	rules   *rules // nil: the stream has none
	limit   int    // bytes that may wait

	backlog *cursor // nil once taken in, or when none was asked for
	end     int64   // of the backlog, by delivery, in Unix nanoseconds
	pace    pace    // of the backlog
	live    *cursor // nil: a recovery
	// interleave sends live Posts, and heartbeats, in between the backlog's.
	interleave bool
	// behind is how old the oldest unsent Post may be before the feed has
	// reached the present for the first time.
	behind  time.Duration
	caught  bool // up with the present, once
	more    bool // there may be more to take in at once
	waiting []waiting
	bytes   int   // of all that wait
	reached int64 // delivery of the last Post that was taken in
}

type waiting struct {
	post
	*match // nil: a stream without rules
}

// size is the length of the line, with its end.
func (w waiting) size(h *history) int {
	n := h.size(w.post) + len("\r\n")
	if w.match != nil {
		n += len(w.suffix) - len("}")
	}
	return n
}

const (
	// backlogGrace is how much further than at its start a connection may fall
	// behind while it is given a backlog.
	backlogGrace = 30 * time.Second
	// looks is how many Posts are looked at before the connection attends to
	// something else: few of them may match the rules.
	looks = 1 << 16
)

func (s *Simulator) newFeed(st *stream, asked streamParameters, opened time.Time) *feed {
	f := &feed{history: s.history, limit: s.config.SendBuffer, interleave: s.config.InterleaveBackfill}
	if st.rules {
		f.rules = s.rules
	}
	keep := st.share(s.history, asked.partition)
	if !asked.recovery.isZero() {
		f.recover(asked.recovery, s.config, opened, keep)
		return f
	}
	backfill := time.Duration(asked.backfill) * time.Minute
	from := opened.Add(-backfill).UnixNano()
	f.live = s.history.deliveries(opened.UnixNano(), keep)
	f.behind, f.reached = backfill+backlogGrace, from
	if backfill > 0 {
		if s.config.BackfillByCreation {
			keep = createdIn(from, math.MaxInt64, keep)
		}
		f.backlog, f.end = s.history.deliveries(from, keep), opened.UnixNano()
	}
	return f
}

// recover makes f repeat a period. By creation, it repeats what has been
// delivered by the opening.
func (f *feed) recover(p period, c Config, opened time.Time, keep func(post) bool) {
	from, to := p.from.UnixNano(), p.to.UnixNano()
	f.end = to
	if c.RecoveryByCreation {
		keep = createdIn(from, to, keep)
		f.end = min(to+f.history.maxLateness+1, opened.UnixNano())
	}
	f.backlog = f.history.deliveries(from, keep)
	f.pace = pace{c.ReplaySpeed, opened.UnixNano(), from}
}

// createdIn narrows keep to Posts created in [from, to).
func createdIn(from, to int64, keep func(post) bool) func(post) bool {
	return func(p post) bool { return p.created >= from && p.created < to && (keep == nil || keep(p)) }
}

// arrive takes in what has been delivered by now. All of it waits, once the
// feed has caught up; a backlog is taken only while less than enough bytes wait.
func (f *feed) arrive(enough int) time.Time {
	now := time.Now()
	if f.rules != nil {
		var release func()
		now, release = f.rules.hold()
		defer release()
	}
	left := looks
	if f.backlog != nil {
		f.takeBacklog(now.UnixNano(), enough, &left)
	}
	if f.backlog == nil && f.live != nil {
		f.takeLive(now.UnixNano(), enough, &left)
	}
	f.more = left == 0
	return now
}

func (f *feed) takeBacklog(now int64, enough int, left *int) {
	until := min(f.end, f.pace.reached(now))
	for ; f.bytes < enough && *left > 0; *left-- {
		p, ok := f.backlog.next(until)
		if !ok {
			if until == f.end {
				f.backlog = nil
			}
			return
		}
		f.reached = p.delivered
		f.queue(p)
		if f.interleave && f.live != nil {
			if p, ok := f.live.next(now); ok {
				f.queue(p)
			}
		}
	}
}

func (f *feed) takeLive(now int64, enough int, left *int) {
	// Beyond the limit it is decided that the connection ends: no more is kept.
	for ; (f.bytes < enough || f.caught && f.bytes <= f.limit) && *left > 0; *left-- {
		p, ok := f.live.next(now)
		if !ok {
			f.caught = true
			return
		}
		f.reached = p.delivered
		f.queue(p)
	}
}

func (f *feed) queue(p post) {
	w := waiting{post: p}
	if f.rules != nil {
		if w.match = f.rules.atLocked(p.delivered).match(f.history, p); w.match == nil {
			return
		}
	}
	f.waiting = append(f.waiting, w)
	f.bytes += w.size(f.history)
}

// lines appends waiting lines until enough bytes are there, and returns how
// many it took off the queue: at most so many.
func (f *feed) lines(dst []byte, enough, most int) ([]byte, int) {
	start, n := len(dst), 0
	for n < min(most, len(f.waiting)) && len(dst)-start < enough {
		dst = append(f.history.line(dst, f.waiting[n]), "\r\n"...)
		n++
	}
	f.bytes -= len(dst) - start
	f.waiting = f.waiting[:copy(f.waiting, f.waiting[n:])]
	return dst, n
}

// line appends a Post's line without its end.
func (h *history) line(dst []byte, w waiting) []byte {
	dst = h.render(dst, w.post)
	if w.match != nil {
		dst = append(dst[:len(dst)-len("}")], w.suffix...)
	}
	return dst
}

// done reports whether nothing more will wait: only a recovery ends.
func (f *feed) done() bool { return f.live == nil && f.backlog == nil }

// next returns when there will be something to send, if that is before until.
func (f *feed) next(until time.Time) time.Time {
	switch {
	case f.more:
		return time.Time{}
	case f.live != nil:
		if p, ok := f.live.peek(until.UnixNano()); ok {
			return time.Unix(0, p.delivered+1)
		}
		return until
	}
	at := f.end // the end has its time too
	if p, ok := f.backlog.peek(f.end); ok {
		at = p.delivered + 1
	}
	if when := f.pace.when(at); when.Before(until) {
		return when
	}
	return until
}

// upcoming returns a Post that is sent soon.
func (f *feed) upcoming() (post, bool) {
	switch {
	case f.live != nil:
		return f.live.peek(time.Now().Add(time.Hour).UnixNano())
	case len(f.waiting) > 0:
		return f.waiting[0].post, true
	case f.backlog != nil:
		return f.backlog.peek(f.end)
	}
	return post{}, false
}

// overflows reports whether more waits than X would keep for a client, counting
// bytes of a write that is under way. A recovery waits for its client.
func (f *feed) overflows(now time.Time, unsent int) bool {
	if f.live == nil {
		return false
	}
	if !f.caught {
		return now.UnixNano()-f.reached > int64(f.behind)
	}
	return f.bytes+unsent > f.limit
}
