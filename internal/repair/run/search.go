package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xconnect-dev/xconnect/internal/account"
	"github.com/xconnect-dev/xconnect/internal/coverage"
	"github.com/xconnect-dev/xconnect/internal/repair"
	"github.com/xconnect-dev/xconnect/internal/wait"
	"github.com/xconnect-dev/xconnect/internal/xapi"
)

const (
	// mostFound and mostFoundBytes bound what a search keeps in memory to put
	// it in order: X sends the newest first. A window that holds more is halved.
	mostFound      = 20_000
	mostFoundBytes = 64 << 20

	// searchTries is how often one page is asked for, at doubling intervals,
	// before the job is broken off.
	searchTries = 5

	// mostLeft bounds how many rules that were not searched the ledger names.
	mostLeft = 20
)

// query is a rule as it is searched for.
type query struct {
	xapi.Rule
	text     string
	stripped string // terms that were taken out; "": none
}

// found is a Post and the rules that found it.
type found struct {
	event    xapi.SearchEvent
	rules    []xapi.Rule
	stripped string // terms that were taken out of all rules that found it
}

// searcher carries out the searches of one job.
type searcher struct {
	*job
	endpoint xapi.SearchEndpoint
	queries  []query
	left     []string // rules that are not searched for, and why
	unique   int      // Posts that were found
}

// search brings what the stream's rules, as they are now, find in the window.
func (j *job) search(ctx context.Context) repair.Outcome {
	name := "recent"
	if j.SearchAll {
		name = "all"
	}
	endpoint, _ := xapi.LookupSearch(name)
	s := &searcher{job: j, endpoint: endpoint}
	rules, problem := s.rules(ctx)
	if problem != nil {
		return s.broken(ctx, problem)
	}
	s.plan(rules)
	size := j.Window.Duration()
	for from := j.Window.From; from.Before(j.Window.To); {
		part := coverage.Interval{From: from, To: from.Add(size)}
		if part.To.After(j.Window.To) {
			part.To = j.Window.To
		}
		posts, err := s.find(ctx, part)
		if errors.Is(err, errTooMany) {
			size = max(part.Duration()/2, time.Second).Round(time.Second)
			continue
		}
		capped := errors.Is(err, errCapped)
		if err != nil && !capped {
			return s.broken(ctx, xapi.AsProblem(err))
		}
		if err := s.emit(ctx, posts); err != nil {
			return repair.Broken
		}
		if capped {
			return repair.Capped
		}
		done := coverage.Search{Interval: part, Left: s.named()}
		j.progress(func(a *account.Account) time.Duration { return a.Searched(j.entry, done, j.events) })
		from = part.To
	}
	return repair.Done
}

// broken says how a problem ends the job.
func (s *searcher) broken(ctx context.Context, p *xapi.Problem) repair.Outcome {
	if ctx.Err() != nil {
		return repair.Broken
	}
	s.tellBroken(p)
	if p.Class == xapi.Forbidden || p.Status == http.StatusNotFound {
		return repair.NoAccess
	}
	return repair.Broken
}

// plan turns rules into queries. One query a rule: X's limits on the length of
// a query leave no room to join them.
func (s *searcher) plan(rules []xapi.Rule) {
	for _, r := range rules {
		missing, err := s.endpoint.Missing(r.Value)
		q := query{Rule: r, text: r.Value}
		switch {
		case err != nil:
			s.leave(r, "it cannot be read: "+err.Error())
			continue
		case len(missing) > 0 && s.StripOperators:
			text, removed, ok := s.endpoint.Strip(r.Value)
			if !ok {
				s.leave(r, "search does not have "+strings.Join(missing, ", ")+", and it cannot be taken out")
				continue
			}
			q.text, q.stripped = text, strings.Join(removed, " ")
		case len(missing) > 0:
			s.leave(r, "search does not have "+strings.Join(missing, ", "))
			continue
		}
		if !s.endpoint.Fits(q.text, true) {
			s.leave(r, "it is too long for a search")
			continue
		}
		s.queries = append(s.queries, q)
	}
}

// leave notes a rule that is not searched for.
func (s *searcher) leave(r xapi.Rule, why string) {
	s.left = append(s.left, fmt.Sprintf("rule %s: %s", r.ID, why))
	s.log.Warn("a rule is not searched for", "rule", r.ID, "tag", r.Tag, "why", why)
}

// named is what the ledger says of the rules that are not searched for.
func (s *searcher) named() []string {
	if extra := len(s.left) - mostLeft; extra > 0 {
		return append(slices.Clone(s.left[:mostLeft]), fmt.Sprintf("%d more", extra))
	}
	return slices.Clone(s.left)
}

var (
	errTooMany = errors.New("the window holds more Posts than are put in order in memory")
	errCapped  = errors.New("repair.search.max_posts is reached")
)

// find asks all queries for a period, to the last page. With errCapped it
// returns what it has.
func (s *searcher) find(ctx context.Context, part coverage.Interval) (map[uint64]*found, error) {
	posts := map[uint64]*found{}
	bytes := 0
	for n := 0; n < len(s.queries); n++ {
		q := s.queries[n]
		for next := ""; ; {
			page, problem := s.page(ctx, xapi.SearchRequest{Endpoint: s.endpoint, Query: q.text, Start: part.From, End: part.To, Next: next})
			if problem != nil && problem.Class == xapi.BadRequest {
				// X takes no query like this one: the other rules are not to suffer.
				s.leave(q.Rule, problem.Error())
				s.queries = slices.Delete(s.queries, n, n+1)
				n--
				break
			}
			if problem != nil {
				return nil, problem
			}
			for _, e := range page.Events {
				bytes += s.add(posts, e, q)
			}
			if s.MaxPosts > 0 && s.unique+len(posts) >= s.MaxPosts {
				return posts, errCapped
			}
			if (len(posts) > mostFound || bytes > mostFoundBytes) && part.Duration() > time.Second {
				return nil, errTooMany
			}
			if next = page.Next; next == "" {
				break
			}
		}
	}
	return posts, nil
}

// add notes that a query found a Post, and returns how many bytes that takes.
func (s *searcher) add(posts map[uint64]*found, e xapi.SearchEvent, q query) (bytes int) {
	f := posts[e.Snowflake]
	if f == nil {
		f = &found{event: e, stripped: q.stripped}
		posts[e.Snowflake] = f
		bytes = len(e.Data)
	}
	f.rules = append(f.rules, q.Rule)
	if q.stripped == "" {
		f.stripped = "" // a whole rule found it, too
	}
	return bytes
}

// emit queues Posts as events of the stream's shape, oldest first.
func (s *searcher) emit(ctx context.Context, posts map[uint64]*found) error {
	s.unique += len(posts)
	s.stripped = map[uint64]string{}
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(posts)), s.MaxBatch) {
		lines := make([][]byte, 0, len(batch))
		for _, id := range batch {
			f := posts[id]
			lines = append(lines, f.event.Line(f.rules))
			if f.stripped != "" {
				s.stripped[id] = f.stripped
			}
		}
		if _, err := s.bring(ctx, lines); err != nil {
			return err
		}
	}
	return nil
}

// rules asks for the stream's rules.
func (s *searcher) rules(ctx context.Context) (rules []xapi.Rule, problem *xapi.Problem) {
	problem = s.again(ctx, func() error {
		var err error
		rules, err = s.Client.Rules(ctx, s.Stream)
		return err
	})
	return rules, problem
}

// page asks for a page at the pace that X allows.
func (s *searcher) page(ctx context.Context, r xapi.SearchRequest) (page *xapi.SearchPage, problem *xapi.Problem) {
	problem = s.again(ctx, func() error {
		s.await(ctx, r.Endpoint)
		var err error
		page, err = s.Client.Search(ctx, r)
		var limits xapi.Limits
		if err == nil {
			limits = page.Limits
		} else {
			limits = xapi.AsProblem(err).Limits
		}
		s.pace.sent(s.Now(), r.Endpoint, limits)
		return err
	})
	return page, problem
}

// again repeats a request that failed for no reason of its own.
func (s *searcher) again(ctx context.Context, request func() error) *xapi.Problem {
	waits := wait.Doubling(time.Second, 16*time.Second)
	for try := 1; ; try++ {
		err := request()
		if err == nil {
			return nil
		}
		p := xapi.AsProblem(err)
		switch {
		case ctx.Err() != nil, p.Class == xapi.Forbidden, p.Class == xapi.BadRequest, p.Class == xapi.UsageCapped, p.Status == http.StatusNotFound, try == searchTries:
			return p
		case p.Class == xapi.RateLimited && p.Limits.Known && p.Limits.Remaining == 0:
			try-- // the next try waits for the reset
		default:
			wait.Sleep(ctx, waits.NextBackOff())
		}
	}
}
