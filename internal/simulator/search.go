package simulator

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// search is one of X's two searches (docs.x.com: search/introduction and
// fundamentals/rate-limits).
type search struct {
	name string
	endpoint
	in          product
	pageSize    int           // the most Posts of a page
	queryLength int           // in characters, with self-serve access
	reach       time.Duration // how far back it goes; 0: without bound
}

var searches = []search{
	{name: "recent", endpoint: endpoint{path: "/2/tweets/search/recent", requests: 450, settable: true, target: Searches},
		in: recentSearch, pageSize: 100, queryLength: 512, reach: recentReach},
	{name: "all", endpoint: endpoint{path: "/2/tweets/search/all", requests: 300, settable: true, spaced: true, target: Searches},
		in: archiveSearch, pageSize: 500, queryLength: 1024},
}

const (
	recentReach = 7 * 24 * time.Hour
	// archiveDefault is how far before its end a search of the archive without
	// a start begins (docs.x.com: search/quickstart/full-archive-search).
	archiveDefault = 30 * 24 * time.Hour
	// searchDelay is how old the end of a search must be, and searchDefault how
	// old it is without one (docs.x.com: search/integrate/paginate).
	searchDelay   = 10 * time.Second
	searchDefault = 30 * time.Second
	// maxQueryLength is OpenAPI's bound of a query, for all access.
	maxQueryLength = 4096
)

func lookupSearch(name string) (search, bool) {
	i := slices.IndexFunc(searches, func(s search) bool { return s.name == name })
	if i < 0 {
		return search{}, false
	}
	return searches[i], true
}

// searched is which Posts a search chooses from: those created in [from, to)
// with IDs between two others.
type searched struct {
	from, to     int64  // Unix nanoseconds
	since, until uint64 // exclusive; 0: none
}

// searchParameters are those that the searches and their counts share.
var searchParameters = []string{"query", "start_time", "end_time", "since_id", "until_id", "next_token", "pagination_token"}

// searched reads what a search chooses from. The times of a request with a
// token are those of the search's first request, and not looked at: a token
// does not expire (docs.x.com: search/integrate/paginate).
func (p *parameters) searched(s search, now time.Time) searched {
	p.either("start_time", "since_id")
	p.either("end_time", "until_id")
	p.either("next_token", "pagination_token")
	chosen := searched{since: p.id("since_id"), until: p.id("until_id")}
	if p.Has("next_token") || p.Has("pagination_token") {
		return chosen
	}
	end := p.searchEnd(chosen.until, now)
	start := p.searchStart(chosen.since, s.reach, now, end)
	if chosen.since == 0 && !start.Before(end) {
		p.refuse("start_time", "Invalid 'start_time':'%s'. 'start_time' must be before 'end_time'", p.Get("start_time"))
	}
	chosen.from, chosen.to = start.UnixNano(), min(end.UnixNano(), now.UnixNano())
	return chosen
}

// searchEnd reads until when Posts are chosen: an ID says which of its
// millisecond are not.
func (p *parameters) searchEnd(until uint64, now time.Time) time.Time {
	switch {
	case until > 0:
		return createdAt(until).Add(time.Millisecond)
	case !p.Has("end_time"):
		return now.Add(-searchDefault)
	}
	end := p.time("end_time")
	if end.After(now.Add(-searchDelay)) {
		p.refuse("end_time", "Invalid 'end_time':'%s'. 'end_time' must be a minimum of 10 seconds prior to the request time.", p.Get("end_time"))
	}
	return end
}

// searchStart reads from when on Posts are chosen.
func (p *parameters) searchStart(since uint64, reach time.Duration, now, end time.Time) time.Time {
	name, start := "start_time", p.time("start_time")
	if since > 0 {
		name, start = "since_id", createdAt(since)
	}
	earliest := now.Add(-reach)
	switch {
	case !p.Has(name) && reach == 0:
		return end.Add(-archiveDefault)
	case !p.Has(name):
		return earliest
	case reach > 0 && start.Before(earliest):
		p.refuse(name, "Invalid '%s':'%s'. '%[1]s' must be on or after %[3]s", name, p.Get(name), earliest.UTC().Format(time.RFC3339))
	}
	return start
}

// getSearch answers one page of a search, the newest Post first. A Post can be
// found from its delivery on, in its latest version; all pages of a search are
// of the moment of its first request. The simulator knows no relevancy: both
// orders are by recency.
func (s *Simulator) getSearch(w http.ResponseWriter, r *http.Request, in search) {
	now := time.Now()
	p := &parameters{Values: r.URL.Query()}
	p.only(postFields, slices.Concat(searchParameters, []string{"max_results", "sort_order"})...)
	p.choice("sort_order", "recency", "relevancy")
	size := p.number("max_results", 10, in.pageSize, 10)
	chosen := p.searched(in, now)
	find := s.readQuery(p, in)
	at := p.position(chosen, s.history.slotAfter(chosen.to), now)
	if refusal := cmp.Or(s.account.maySearch(in), p.wrong); refusal != nil {
		refusal.write(w)
		return
	}

	found := page{history: s.history}
	for post := range s.history.found(r.Context(), find, at) {
		if len(found.posts) == size {
			at.below = post.n + 1
			found.next = at.token(p.fingerprint())
			break
		}
		found.posts = append(found.posts, post)
	}
	s.account.use(len(found.posts))
	w.Header().Set("Content-Type", streamType)
	w.WriteHeader(http.StatusOK)
	w.Write(found.body()) // a client that left needs no answer
}

// maySearch says what X has against a well-formed search.
func (a *account) maySearch(in search) *problem {
	access := a.SearchAll
	if in.in == recentSearch {
		access = a.SearchRecent
	}
	switch {
	case access == Denied:
		return forbidden()
	case access == Unoffered:
		return generic(http.StatusNotFound)
	case a.capped():
		return usageCapped()
	}
	return nil
}
