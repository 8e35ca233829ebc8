package simulator

import (
	"cmp"
	"net/http"
	"time"
)

// endpoint is a path of X's that is answered at once, with its limits
// (docs.x.com: fundamentals/rate-limits).
type endpoint struct {
	path     string
	requests int    // in 15 minutes, of one method; Unlimited where X publishes no number
	settable bool   // by Account.SearchRequests
	spaced   bool   // one request a second
	target   Target // what faults call it; empty: none hits it
}

// routes serves X's paths, which need the token, and the control paths.
func (s *Simulator) routes() http.Handler {
	mux := http.NewServeMux()
	for _, st := range streams {
		mux.HandleFunc("GET "+st.path, func(w http.ResponseWriter, r *http.Request) { s.serveStream(w, r, st) })
	}
	for _, in := range searches {
		s.handle(mux, http.MethodGet, in.endpoint, func(w http.ResponseWriter, r *http.Request) { s.getSearch(w, r, in) })
	}
	const (
		rules       = "/2/tweets/search/stream/rules"
		connections = "/2/connections"
	)
	for _, e := range []struct {
		method string
		endpoint
		serve http.HandlerFunc
	}{
		{http.MethodGet, endpoint{path: "/2/tweets/counts/recent", requests: 300, target: Searches}, s.getCounts},
		{http.MethodGet, endpoint{path: rules, requests: 450, target: RulesRequests}, s.getRules},
		{http.MethodPost, endpoint{path: rules, requests: 100, target: RulesRequests}, s.postRules},
		{http.MethodGet, endpoint{path: rules + "/counts", requests: Unlimited, target: RulesRequests}, s.getRuleCounts},
		{http.MethodGet, endpoint{path: connections, requests: Unlimited}, s.getConnections},
		{http.MethodDelete, endpoint{path: connections, requests: Unlimited}, s.deleteConnections},
		{http.MethodDelete, endpoint{path: connections + "/all", requests: 25}, s.deleteAllConnections},
		{http.MethodDelete, endpoint{path: connections + "/{endpoint_id}", requests: Unlimited}, s.deleteStreamConnections},
	} {
		s.handle(mux, e.method, e.endpoint, e.serve)
	}
	mux.HandleFunc("POST /oauth2/token", s.account.exchange)
	s.controls(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { generic(http.StatusNotFound).write(w) })
	return mux
}

// handle serves one method of an endpoint: with the token, within the limits,
// through the faults, and on record.
func (s *Simulator) handle(mux *http.ServeMux, method string, e endpoint, h http.HandlerFunc) {
	mux.HandleFunc(method+" "+e.path, func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		answer := &answered{ResponseWriter: w, note: func(status int) {
			s.account.requests.add(Request{At: at, Method: method, Path: r.URL.Path, Query: r.URL.Query(), Status: status})
		}}
		if refusal := s.admitRequest(answer, r, e); refusal != nil {
			refusal.write(answer)
			return
		}
		if e.target != "" {
			if fault, hit := s.faults.request(e.target); hit && s.meet(answer, r, fault) {
				return
			}
		}
		h(answer, r)
	})
}

// admitRequest says why a request is not even looked at.
func (s *Simulator) admitRequest(w http.ResponseWriter, r *http.Request, e endpoint) *problem {
	if !s.account.authorized(r) {
		return unauthorized()
	}
	allowed := e.requests
	if e.settable {
		allowed = cmp.Or(s.account.SearchRequests, allowed)
	}
	if e.spaced && allowed != Unlimited {
		spaced, ok := s.account.space(e.path)
		if !ok {
			spaced.header(w.Header())
			return tooManyRequests()
		}
	}
	drawn, ok := s.account.count(r.Method+" "+e.path, allowed)
	drawn.header(w.Header())
	if !ok {
		return tooManyRequests()
	}
	return nil
}
