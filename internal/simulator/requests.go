package simulator

import (
	"bytes"
	"cmp"
	"net/http"
	"strings"
	"time"
)

// serveStream answers one request for a stream: with a stream, or with the
// first thing that X would object to.
func (s *Simulator) serveStream(w http.ResponseWriter, r *http.Request, st *stream) {
	now := time.Now()
	asked, objection := readStreamParameters(st, r.URL.Query(), now)
	c := &connection{
		stream: st, asked: asked,
		account: s.account, faults: s.faults, posts: &s.posts, overflow: s.config.Overflow,
		chunks:  newChunks(strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")),
		orders:  make(chan Fault, ordersKept),
		stopped: make(chan reason, 1),
		left:    make(chan struct{}),
	}
	answer := &answered{ResponseWriter: w, note: func(status int) {
		s.account.connects.add(Connect{At: now, Stream: st.name, Partition: asked.partition, BackfillMinutes: asked.backfill,
			StartTime: asked.recovery.from, EndTime: asked.recovery.to, Status: status})
	}}
	if s.settled(answer, r, c, objection) {
		return
	}
	conn, _, err := http.NewResponseController(answer).Hijack()
	if err != nil {
		s.account.release(c, reasonShutdown)
		generic(http.StatusHTTPVersionNotSupported).write(answer)
		return
	}
	conn.SetDeadline(time.Time{}) // lifts the server's, which are for requests
	c.conn = conn
	c.opened = time.Now()
	c.feed = s.newFeed(st, asked, c.opened)
	answer.mark(http.StatusOK)
	s.account.begin(c)
	s.account.finish(c, c.serve(r.Context(), c.head(w.Header())))
}

// settled reports whether a request for a stream has its answer already, and
// no connection: by a limit, a fault or an objection.
func (s *Simulator) settled(w *answered, r *http.Request, c *connection, objection *problem) bool {
	refuse := func(p *problem) bool {
		if p != nil {
			p.write(w)
		}
		return p != nil
	}
	if !s.account.authorized(r) {
		return refuse(unauthorized())
	}
	drawn, ok := s.account.count(c.stream.path, cmp.Or(s.account.Connects, c.stream.connects))
	drawn.header(w.Header())
	if !ok {
		return refuse(tooManyRequests())
	}
	if fault, hit := s.faults.connect(c.claim()); hit && s.meet(w, r, fault) {
		return true
	}
	if objection == nil {
		objection = s.mayStream(c.stream, c.asked)
	}
	return refuse(objection) || refuse(s.account.admit(c))
}

// meet lets a request meet its fault, and reports whether that was its answer.
func (s *Simulator) meet(w *answered, r *http.Request, f Fault) bool {
	switch f.Kind {
	case HeaderDelay:
		select {
		case <-time.After(f.headerDelay()):
			return false
		case <-r.Context().Done():
			w.mark(0)
			panic(http.ErrAbortHandler) // returning would be an answer
		}
	case Hang:
		w.mark(0)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case AcceptThenClose:
		w.Header().Set("Content-Type", streamType)
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush() // the headers go, and so does the connection
	default:
		f.problem(w.Header()).write(w)
	}
	return true
}

// streamType is the content type of streams.
const streamType = "application/json; charset=utf-8"

// head is the head of the response, with the headers that it has so far.
func (c *connection) head(h http.Header) []byte {
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Content-Type", streamType)
	h.Set("Transfer-Encoding", "chunked")
	h.Set("Cache-Control", "no-cache, no-store, max-age=0")
	if c.compressed() {
		h.Set("Content-Encoding", "gzip")
	}
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	h.Write(&b) // a buffer takes all
	b.WriteString("\r\n")
	return b.Bytes()
}

// mayStream says what X has against a well-formed request.
func (s *Simulator) mayStream(st *stream, asked streamParameters) *problem {
	if !s.account.mayRead(st) {
		return forbidden()
	}
	if asked.backfill > 0 && s.account.Backfill != Allowed {
		return s.account.Backfill.refuse("backfill_minutes")
	}
	if !asked.recovery.isZero() && s.account.Recovery != Allowed {
		return s.account.Recovery.refuse("start_time")
	}
	if st.rules && len(s.rules.latest()) == 0 {
		return noRules()
	}
	return nil
}

// refuse is the refusal of a parameter that the account has no right to.
func (a Access) refuse(parameter string) *problem {
	if a == Denied {
		return forbidden()
	}
	return invalid(parameter, []string{}, "The query parameter [%s] is not available to this account", parameter)
}
