package simulator

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// routes serves X's paths, which need the token, and the control paths.
func (s *Simulator) routes() http.Handler {
	mux := http.NewServeMux()
	for _, st := range streams {
		mux.HandleFunc("GET "+st.path, func(w http.ResponseWriter, r *http.Request) { s.serveStream(w, r, st) })
	}
	mux.HandleFunc("GET /2/tweets/search/stream/rules", s.withToken(s.getRules))
	mux.HandleFunc("POST /2/tweets/search/stream/rules", s.withToken(s.postRules))
	mux.HandleFunc("POST /oauth2/token", s.account.exchange)
	s.controls(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { generic(http.StatusNotFound).write(w) })
	return mux
}

func (s *Simulator) withToken(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.account.authorized(r) {
			unauthorized().write(w)
			return
		}
		h(w, r)
	}
}

// serveStream answers one request for a stream: with a stream, or with the
// first thing that X would object to.
func (s *Simulator) serveStream(w http.ResponseWriter, r *http.Request, st *stream) {
	p, objection := parseStreamParameters(st, r.URL.Query())
	connect := Connect{At: time.Now(), Stream: st.name, Partition: p.partition, BackfillMinutes: p.backfill}
	answer := func(status int) {
		connect.Status = status
		s.account.record(connect)
	}
	refuse := func(p *problem) {
		answer(p.code)
		p.write(w)
	}

	if !s.account.authorized(r) {
		refuse(unauthorized())
		return
	}
	limits, ok := s.account.count(st)
	limits.header(w.Header())
	if !ok {
		refuse(tooManyRequests())
		return
	}
	if fault, hit := s.faults.connect(st, p.partition); hit {
		switch fault.Kind {
		case HeaderDelay:
			select {
			case <-time.After(fault.headerDelay()):
			case <-r.Context().Done():
				answer(0)
				panic(http.ErrAbortHandler) // returning would be an answer
			}
		case Hang:
			answer(0)
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case AcceptThenClose:
			answer(http.StatusOK)
			w.Header().Set("Content-Type", streamType)
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusOK)
			http.NewResponseController(w).Flush() // the headers go, and so does the connection
			return
		default:
			refuse(fault.problem(w.Header()))
			return
		}
	}
	if objection == nil {
		objection = s.mayStream(st, p)
	}
	if objection != nil {
		refuse(objection)
		return
	}

	c := &connection{
		stream: st, partition: p.partition, backfill: p.backfill,
		account: s.account, posts: &s.posts, overflow: s.config.Overflow,
		chunks:  newChunks(strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")),
		orders:  make(chan Fault, ordersKept),
		stopped: make(chan reason, 1),
		left:    make(chan struct{}),
	}
	if full := s.account.admit(c); full != nil {
		refuse(full)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.account.release(c, reasonShutdown)
		refuse(generic(http.StatusHTTPVersionNotSupported))
		return
	}
	conn.SetDeadline(time.Time{}) // lifts the server's, which are for requests
	c.conn = conn
	c.opened = time.Now()
	c.feed = newFeed(s, st, p.partition, c.opened, time.Duration(p.backfill)*time.Minute)
	answer(http.StatusOK)
	s.account.begin(c)
	s.account.finish(c, c.serve(r.Context(), c.head(w.Header())))
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
func (s *Simulator) mayStream(st *stream, p streamParameters) *problem {
	switch {
	case !s.account.mayRead(st), p.recovery, p.backfill > 0 && s.account.Backfill == Denied:
		return forbidden()
	case p.backfill > 0 && s.account.Backfill == Unoffered:
		return invalid("backfill_minutes", []string{strconv.Itoa(p.backfill)}, "The query parameter [backfill_minutes] is not available to this account")
	case st.rules && len(s.rules.latest()) == 0:
		return noRules()
	}
	return nil
}
