package simulator

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Expected returns, in order of delivery, the IDs of the Posts that were or
// will be delivered live in [from, to): what a consumer must have of that
// period. Partition 0 is the whole stream. Filtered uses the rules of each
// Post's time.
func (s *Simulator) Expected(stream string, partition int, from, to time.Time) (iter.Seq[uint64], error) {
	st, err := postStream(stream)
	if err != nil {
		return nil, err
	}
	if partition < 0 || partition > st.partitions {
		return nil, fmt.Errorf("stream %q has partitions 1 to %d, not %d", stream, st.partitions, partition)
	}
	return func(yield func(uint64) bool) {
		c := s.history.deliveries(from.UnixNano(), st.share(s.history, partition))
		for {
			p, ok := c.next(to.UnixNano())
			if !ok {
				return
			}
			if st.rules && s.rules.at(p.delivered).match(s.history, p) == nil {
				continue
			}
			if !yield(p.id()) {
				return
			}
		}
	}, nil
}

func postStream(name string) (*stream, error) {
	st, ok := lookupStream(name)
	if !ok {
		return nil, fmt.Errorf("unknown stream %q", name)
	}
	if !st.posts {
		return nil, fmt.Errorf("stream %q carries no Posts here", name)
	}
	return st, nil
}

// ExpectedSearch returns, from the newest on, the IDs of the Posts created in
// [from, to) that a search for a query finds now: what a consumer must have of
// that period that has none but the search. The search is "recent" or "all".
// A query that X would refuse is an error; access, rate limits and how far back
// the search reaches are not looked at.
//
// It finds other Posts than a rule of the same words does: none that only quote
// the words, more with accents, and of an edited Post the latest version alone.
func (s *Simulator) ExpectedSearch(search, query string, from, to time.Time) (iter.Seq[uint64], error) {
	in, ok := lookupSearch(search)
	if !ok {
		return nil, fmt.Errorf("unknown search %q: must be recent or all", search)
	}
	q, err := s.parseQuery(query, in)
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", search, err)
	}
	chosen := searched{from: from.UnixNano(), to: to.UnixNano()}
	at := position{searched: chosen, below: s.history.slotAfter(chosen.to), asOf: time.Now().UnixNano()}
	return func(yield func(uint64) bool) {
		for p := range s.history.found(context.Background(), q, at) {
			if !yield(p.id()) {
				return
			}
		}
	}, nil
}

// Event returns the line of one Post as a stream carries it, without the line's
// end: with matching_rules on filtered, which no event is without a match.
func (s *Simulator) Event(stream string, id uint64) ([]byte, error) {
	st, err := postStream(stream)
	if err != nil {
		return nil, err
	}
	p, ok := s.history.find(id)
	if !ok {
		return nil, fmt.Errorf("there is no Post %d", id)
	}
	if share := st.share(s.history, 0); share != nil && !share(p) {
		return nil, fmt.Errorf("stream %q does not carry Post %d", stream, id)
	}
	event := waiting{post: p}
	if st.rules {
		if event.match = s.rules.at(p.delivered).match(s.history, p); event.match == nil {
			return nil, fmt.Errorf("no rule matched Post %d", id)
		}
	}
	return s.history.line(nil, event), nil
}

// Rules returns the filtered stream's rules as they were last set, with IDs.
func (s *Simulator) Rules() []Rule { return s.rules.latest() }
