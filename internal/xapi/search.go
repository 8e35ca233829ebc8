package xapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// SearchRequest asks for one page of the Posts that match a query and were
// created from Start on and before End, newest first.
type SearchRequest struct {
	Endpoint   SearchEndpoint
	Query      string
	Start, End time.Time // rounded outward to seconds
	PageSize   int       // most Posts on the page, 10 or more; 0: Endpoint.PageSize
	Next       string    // from the page before; "": the first page
}

// SearchPage is one page of Posts.
type SearchPage struct {
	Events []SearchEvent // newest first
	// Next asks for the next page; "": this is the last one. A page without
	// any Post may have a next one.
	Next   string
	Limits Limits    // on further requests to the endpoint
	Date   time.Time // X's clock at the answer, in whole seconds; zero: not said
}

// Search asks for a page. The error is a *Problem.
//
// Field selections are those of the client's Parameters, as the filtered
// stream has them. X's pages about search use the same names (docs.x.com:
// posts/search/integrate/overview). Its OpenAPI description has post.fields
// where the stream has tweet.fields, and other names in the answer, too: with
// them an event would not have the stream's shape.
func (c *Client) Search(ctx context.Context, r SearchRequest) (*SearchPage, error) {
	u, err := r.url(c.origin.base, c.parameters)
	if err != nil {
		return nil, invalid(err)
	}
	a, err := c.get(ctx, u, Stream{})
	if err != nil {
		if p := new(Problem); errors.As(err, &p) {
			p.Advice = r.Endpoint.advice(p)
		}
		return nil, err
	}
	events, next, err := parsePosts(a.body)
	if err != nil {
		return nil, a.unusable(err)
	}
	return &SearchPage{Events: events, Next: next, Limits: a.limits, Date: a.date}, nil
}

// url returns the address of the request below base.
func (r SearchRequest) url(base *url.URL, parameters map[string]string) (*url.URL, error) {
	e := r.Endpoint
	size := r.PageSize
	if size == 0 {
		size = e.PageSize
	}
	switch {
	case e.Path == "":
		return nil, errors.New("the request names no search endpoint")
	case r.Query == "":
		return nil, errors.New("a search needs a query")
	case !e.Fits(r.Query, true):
		return nil, fmt.Errorf("a query for %s search has at most %d characters", e.Name, e.EnterpriseQueryLength)
	case r.Start.IsZero() || r.End.IsZero():
		return nil, errors.New("a search needs a start and an end")
	case !r.Start.Before(r.End):
		return nil, errors.New("a search's start is not before its end")
	case size < smallestPage || size > e.PageSize:
		return nil, fmt.Errorf("a page of %s search has %d to %d Posts, not %d", e.Name, smallestPage, e.PageSize, size)
	}
	q := make(url.Values)
	for name, value := range parameters {
		q.Set(name, value)
	}
	q.Set("query", r.Query)
	setWindow(q, "start_time", "end_time", r.Start, r.End)
	q.Set("max_results", strconv.Itoa(size))
	q.Set("sort_order", "recency")
	if r.Next != "" {
		q.Set("next_token", r.Next)
	}
	u := base.JoinPath(e.Path)
	u.RawQuery = q.Encode()
	return u, nil
}

// parsePosts reads a page of Posts and the token of the next page.
func parsePosts(body []byte) (events []SearchEvent, next string, err error) {
	var page struct {
		Data     []json.RawMessage `json:"data"`
		Includes json.RawMessage   `json:"includes"`
		Errors   []json.RawMessage `json:"errors"`
		Meta     *pageMeta         `json:"meta"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, "", fmt.Errorf("the answer is no page of Posts: %w", err)
	}
	if page.Meta == nil {
		return nil, "", errNoMeta
	}
	shared, err := newShared(page.Includes, page.Errors)
	if err != nil {
		return nil, "", err
	}
	for _, post := range page.Data {
		id, n, ok := snowflake(find(post, "id"))
		if !ok {
			return nil, "", errors.New("the answer has a Post without an ID")
		}
		e := SearchEvent{Snowflake: n, Created: SnowflakeTime(n), Data: post}
		e.includes, e.errors = shared.of(post, string(id))
		events = append(events, e)
	}
	return events, page.Meta.Next, nil
}
