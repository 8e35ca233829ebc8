package simulator

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// query is a search's query. Posts of one wording are found together or not at
// all, so each is looked at once.
type query struct {
	expression
	known []atomic.Uint32 // by wording: 0 not looked at, else what the query says
}

const (
	finds = 1 + iota
	passesOver
)

func (q *query) finds(h *history, p post) bool {
	wording := h.wording(p)
	known := &q.known[wording]
	if known.Load() == 0 {
		said := uint32(passesOver)
		if q.match(documentOf(wording)) {
			said = finds
		}
		known.Store(said)
	}
	return known.Load() == finds
}

// queries remembers the last queries, for a search asks the same for each page.
type queries struct {
	mu    sync.Mutex
	known map[queryKey]*query
}

type queryKey struct {
	in   product
	text string
}

// queriesKept bounds that memory. A query takes 100 KB.
const queriesKept = 64

// read returns the query that text is to a search.
func (q *queries) read(text string, in product) (*query, error) {
	key := queryKey{in, text}
	q.mu.Lock()
	defer q.mu.Unlock()
	if known := q.known[key]; known != nil {
		return known, nil
	}
	e, err := parseExpression(text, in)
	if err != nil {
		return nil, err
	}
	if len(q.known) == queriesKept || q.known == nil {
		q.known = map[queryKey]*query{}
	}
	read := &query{expression: e, known: make([]atomic.Uint32, wordings)}
	q.known[key] = read
	return read, nil
}

// parseQuery reads a query within the account's limits.
func (s *Simulator) parseQuery(text string, in search) (*query, error) {
	allowed := cmp.Or(s.account.QueryLength, in.queryLength)
	if allowed == Unlimited {
		allowed = maxQueryLength
	}
	if n := utf8.RuneCountInString(text); n > allowed {
		return nil, fmt.Errorf("Invalid 'query': query length (%d) exceeds the maximum of %d characters", n, allowed)
	}
	return s.queries.read(text, in.in)
}

// readQuery reads the query of a request.
func (s *Simulator) readQuery(p *parameters, in search) *query {
	text := p.Get("query")
	if text == "" {
		p.refuse("query", "The `query` query parameter can not be empty")
		return nil
	}
	q, err := s.parseQuery(text, in)
	if err != nil {
		p.refuse("query", "There were errors processing your request: %s", err)
	}
	return q
}

// found yields what a query finds from a position on, the newest first. It ends
// early with ctx.
func (h *history) found(ctx context.Context, q *query, at position) iter.Seq[post] {
	return func(yield func(post) bool) {
		from := max(at.from, historyStart.UnixNano())
		for n := at.below - 1; n >= from/h.slot; n-- {
			if n%looks == 0 && ctx.Err() != nil {
				return
			}
			p := h.post(n)
			if at.has(p) && q.finds(h, p) && !h.superseded(p, at.asOf) && !yield(p) {
				return
			}
		}
	}
}
