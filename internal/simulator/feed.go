package simulator

import "time"

// feed is what a connection still has to send. It holds Posts, not bytes: the
// history can make any line again, so the send buffer of a slow client costs a
// few bytes a Post, and throwing it away costs nothing.
type feed struct {
	history *history
	rules   *rules // nil: the stream has none
	limit   int    // bytes that may wait

	backlog *cursor // nil once sent, or when none was asked for
	live    *cursor
	opened  int64 // the backlog ends and live begins, in Unix nanoseconds
	// interleave sends live Posts, and heartbeats, in between the backlog's.
	interleave bool
	// behind is how old the oldest unsent Post may be before the feed has
	// reached the present for the first time.
	behind  time.Duration
	caught  bool // up with the present, once
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

// backlogGrace is how much further than at its start a connection may fall
// behind while it is given a backlog.
const backlogGrace = 30 * time.Second

// newFeed returns a feed of all that is delivered from opened on, and of the
// backlog before it.
func newFeed(s *Simulator, st *stream, partition int, opened time.Time, backfill time.Duration) *feed {
	keep := st.share(s.history, partition)
	f := &feed{
		history: s.history, limit: s.config.SendBuffer, opened: opened.UnixNano(),
		live:       s.history.deliveries(opened.UnixNano(), keep),
		interleave: s.config.InterleaveBackfill,
		behind:     backfill + backlogGrace,
	}
	if st.rules {
		f.rules = s.rules
	}
	from := opened.Add(-backfill).UnixNano()
	f.reached = from
	if backfill > 0 {
		f.backlog = s.history.deliveries(from, keep)
		if s.config.BackfillByCreation {
			f.backlog.keep = func(p post) bool { return p.created >= from && (keep == nil || keep(p)) }
		}
	}
	return f
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
	until := now.UnixNano()
	for f.backlog != nil && f.bytes < enough {
		p, ok := f.backlog.next(f.opened)
		if !ok {
			f.backlog = nil
			break
		}
		f.reached = p.delivered
		f.queue(p)
		if f.interleave {
			if p, ok := f.live.next(until); ok {
				f.queue(p)
			}
		}
	}
	if f.backlog != nil {
		return now
	}
	// Beyond the limit it is decided that the connection ends: no more is kept.
	for f.bytes < enough || f.caught && f.bytes <= f.limit {
		p, ok := f.live.next(until)
		if !ok {
			f.caught = true
			break
		}
		f.reached = p.delivered
		f.queue(p)
	}
	return now
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
// many it took off the queue.
func (f *feed) lines(dst []byte, enough int) ([]byte, int) {
	start, n := len(dst), 0
	for n < len(f.waiting) && len(dst)-start < enough {
		w := f.waiting[n]
		dst = f.history.render(dst, w.post)
		if w.match != nil {
			dst = append(dst[:len(dst)-len("}")], w.suffix...)
		}
		dst = append(dst, "\r\n"...)
		n++
	}
	f.bytes -= len(dst) - start
	f.waiting = f.waiting[:copy(f.waiting, f.waiting[n:])]
	return dst, n
}

// next returns when the next Post is delivered, if that is before until.
func (f *feed) next(until time.Time) time.Time {
	if p, ok := f.live.peek(until.UnixNano()); ok {
		return time.Unix(0, p.delivered+1)
	}
	return until
}

// overflows reports whether more waits than X would keep for a client, counting
// bytes of a write that is under way.
func (f *feed) overflows(now time.Time, unsent int) bool {
	if !f.caught {
		return now.UnixNano()-f.reached > int64(f.behind)
	}
	return f.bytes+unsent > f.limit
}
