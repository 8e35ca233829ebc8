package xapi

import (
	"net/http"
	"time"
	"unicode/utf8"
)

// SearchEndpoint is one of the two endpoints that find past Posts: like a
// Stream it is data, not a branch in code.
type SearchEndpoint struct {
	Name  string // as users write it in a config
	Title string // as documentation shows it
	Path  string // below the base URL

	// PageSize is how many Posts a page has at most; the least is 10.
	PageSize int
	// QueryLength is how many characters a query has at most on self-serve
	// access, and EnterpriseQueryLength on Enterprise access.
	QueryLength, EnterpriseQueryLength int

	Reach time.Duration // how long before the request a search may start; 0: any time
	Delay time.Duration // how long before the request a search must end, at least

	Requests Rate          // that X allows to an app
	Pause    time.Duration // from one request to the next, at least; 0: none

	operators []string // that a query may have, without their colons
}

const smallestPage = 10

// commonOperators are those of both endpoints (docs.x.com:
// posts/search/integrate/operators).
var commonOperators = []string{
	"from", "to", "retweets_of", "url", "context", "conversation_id", "list",
	"in_reply_to_tweet_id", "retweets_of_tweet_id", "quotes_of_tweet_id",
	"place", "place_country", "point_radius", "bounding_box", "is", "has",
	"min_likes", "min_replies", "min_reposts", "lang",
}

// searchEndpoints holds paths, page and query lengths from X's OpenAPI
// description and docs.x.com: posts/search/introduction, and requests from
// fundamentals/rate-limits. That a search must end 10 s before its request is
// what X answers with 400 to one that does not.
var searchEndpoints = []SearchEndpoint{
	{
		Name: "recent", Title: "Recent search", Path: "/2/tweets/search/recent",
		PageSize: 100, QueryLength: 512, EnterpriseQueryLength: 4096,
		Reach: 7 * 24 * time.Hour, Delay: 10 * time.Second,
		Requests:  Rate{450, 15 * time.Minute},
		operators: append([]string{"entity"}, commonOperators...),
	},
	{
		Name: "all", Title: "Full-archive search", Path: "/2/tweets/search/all",
		PageSize: 500, QueryLength: 1024, EnterpriseQueryLength: 4096,
		Delay:    10 * time.Second,
		Requests: Rate{300, 15 * time.Minute}, Pause: time.Second,
		operators: commonOperators,
	},
}

// LookupSearch finds a search endpoint by its name.
func LookupSearch(name string) (SearchEndpoint, bool) {
	for _, e := range searchEndpoints {
		if e.Name == name {
			return e, true
		}
	}
	return SearchEndpoint{}, false
}

// Fits says whether a query is short enough. X counts all of its characters,
// which are code points and not bytes (fundamentals/counting-characters).
func (e SearchEndpoint) Fits(query string, enterprise bool) bool {
	if enterprise {
		return utf8.RuneCountInString(query) <= e.EnterpriseQueryLength
	}
	return utf8.RuneCountInString(query) <= e.QueryLength
}

// advice says what the user can do about a refusal to search.
func (e SearchEndpoint) advice(p *Problem) string {
	switch p.Class {
	case Forbidden:
		if e.Name == "all" {
			return "the app's plan has no access to full-archive search, which takes pay-per-use or Enterprise access: search the last 7 days instead"
		}
		return "give the app access to search in X's developer console (console.x.com)"
	case BadRequest:
		return "check the rule and parameters: X does not take this query, which may be too long for the app's plan or have an operator that search lacks"
	case HTTPFailure:
		if p.Status == http.StatusNotFound {
			return "check base_url: there is no " + e.Path + " below it"
		}
	}
	return p.Advice
}
