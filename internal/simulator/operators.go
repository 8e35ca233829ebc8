package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// operator is one row of X's tables of operators (docs.x.com:
// filtered-stream/integrate/operators and search/integrate/operators).
type operator struct {
	in          product
	conjunction bool // it must stand beside a standalone operator
	negation    negation
	// test reads a value and returns what matches it.
	test func(value string) (func(*document) bool, error)
}

// negation is whether an operator may have a dash.
type negation int

const (
	optional negation = iota
	never
	always
)

// operators are those with a name. What invented Posts do not have, such as
// lists or the titles of linked pages, is read and matches nothing.
var operators = map[string]operator{
	"from":              {in: everywhere, test: matching(func(d *document, v string) bool { return d.author.is(v) })},
	"to":                {in: everywhere, test: matching(func(d *document, v string) bool { return d.kind == "replied_to" && d.other.is(v) })},
	"retweets_of":       {in: everywhere, test: matching(func(d *document, v string) bool { return d.kind == "retweeted" && d.other.is(v) })},
	"from_affiliate_of": {in: filteredRules, test: nothing},
	"to_affiliate_of":   {in: filteredRules, test: nothing},
	"list":              {in: bothSearches, test: nothing},

	"url":             {in: everywhere, test: matching(hasURL)},
	"url_title":       {in: filteredRules, test: nothing},
	"url_description": {in: filteredRules, test: nothing},
	"url_contains": {in: filteredRules, test: matching(func(d *document, v string) bool {
		return slices.ContainsFunc(d.urls, func(u string) bool { return strings.Contains(strings.ToLower(u), v) })
	})},

	"context":              {in: everywhere, test: matching(hasContext)},
	"entity":               {in: filteredRules | recentSearch, test: matching(func(d *document, v string) bool { return slices.Contains(d.entities, v) })},
	"conversation_id":      {in: everywhere, test: referring("replied_to")},
	"in_reply_to_tweet_id": {in: everywhere, test: referring("replied_to")},
	"retweets_of_tweet_id": {in: everywhere, test: referring("retweeted")},
	"quotes_of_tweet_id":   {in: bothSearches, test: referring("quoted")},
	"bio":                  {in: filteredRules, test: words(func(p person) string { return p.bio })},
	"bio_name":             {in: filteredRules, test: words(func(p person) string { return p.name })},
	"bio_location":         {in: filteredRules, test: words(func(p person) string { return p.location })},
	"place":                {in: everywhere, test: matching(hasPlace)},
	"place_country":        {in: everywhere, test: matching(func(d *document, v string) bool { return d.place != "" && v == "gb" })},
	"point_radius":         {in: everywhere, test: area(3)},
	"bounding_box":         {in: everywhere, test: area(4)},
	"source":               {in: filteredRules, test: nothing},
	"embedding":            {in: filteredRules, negation: never, test: nothing},
	"embedding_threshold":  {in: filteredRules, conjunction: true, test: threshold},
	"min_followers":        {in: filteredRules, test: atLeast(func(d *document) int { return d.author.followers })},
	"followers_count":      {in: filteredRules, test: within(func(d *document) int { return d.author.followers })},
	"tweets_count":         {in: filteredRules, test: within(func(d *document) int { return d.author.posts })},
	"following_count":      {in: filteredRules, test: within(func(d *document) int { return d.author.following })},
	"listed_count":         {in: filteredRules, test: within(func(d *document) int { return d.author.listed })},
	"min_likes":            {in: bothSearches, test: atLeast(func(*document) int { return 0 })},
	"min_replies":          {in: bothSearches, test: atLeast(func(*document) int { return 0 })},
	"min_reposts":          {in: bothSearches, test: atLeast(func(d *document) int { return d.reposts })},
	"sample":               {in: filteredRules, conjunction: true, negation: never, test: sampled},
	"lang":                 {in: everywhere, conjunction: true, test: matching(func(d *document, v string) bool { return d.lang == v })},

	"is:retweet":     flag(func(d *document) bool { return d.kind == "retweeted" }),
	"is:reply":       flag(func(d *document) bool { return d.kind == "replied_to" }),
	"is:quote":       flag(func(d *document) bool { return d.kind == "quoted" }),
	"is:verified":    flag(func(d *document) bool { return d.author.verified }),
	"is:nullcast":    {in: everywhere, conjunction: true, negation: always, test: nothing},
	"has:hashtags":   flag(func(d *document) bool { return len(d.hashtags) > 0 }),
	"has:cashtags":   flag(func(*document) bool { return false }),
	"has:links":      flag(func(d *document) bool { return len(d.urls) > 0 }),
	"has:mentions":   flag(func(d *document) bool { return len(d.mentions) > 0 }),
	"has:media":      flag(func(d *document) bool { return d.media }),
	"has:images":     flag(func(d *document) bool { return d.media }),
	"has:video_link": flag(func(*document) bool { return false }),
	"has:videos":     flag(func(*document) bool { return false }), // docs.x.com: search/introduction
	"has:geo":        flag(func(d *document) bool { return d.place != "" }),
}

// is reports whether a lower-case value names p, by ID or by name.
func (p person) is(value string) bool { return p.id == value || strings.ToLower(p.username) == value }

func hasURL(d *document, v string) bool {
	want := phrase{tokens: tokens(v)}
	return slices.ContainsFunc(d.urls, func(u string) bool { return want.in(newPassage(u)) })
}

// hasContext takes * for any domain or any entity.
func hasContext(d *document, v string) bool {
	domain, entity, _ := strings.Cut(v, ".")
	return slices.ContainsFunc(d.contexts, func(c string) bool {
		ofDomain, ofEntity, _ := strings.Cut(c, ".")
		return (domain == "*" || domain == ofDomain) && (entity == "*" || entity == ofEntity)
	})
}

func hasPlace(d *document, v string) bool {
	full := strings.ToLower(d.place)
	short, _, _ := strings.Cut(full, ",")
	return full != "" && (v == full || v == short)
}

// flag is an operator whose value is a part of its name.
func flag(is func(*document) bool) operator {
	return operator{in: everywhere, conjunction: true, test: func(string) (func(*document) bool, error) { return is, nil }}
}

func nothing(string) (func(*document) bool, error) {
	return func(*document) bool { return false }, nil
}

func matching(is func(d *document, value string) bool) func(string) (func(*document) bool, error) {
	return func(value string) (func(*document) bool, error) {
		return func(d *document) bool { return is(d, value) }, nil
	}
}

// referring matches Posts that refer to the one of an ID in some way.
func referring(kind string) func(string) (func(*document) bool, error) {
	return matching(func(d *document, v string) bool { return d.kind == kind && d.otherID == v })
}

// words matches a keyword or a phrase in something of the author.
func words(of func(person) string) func(string) (func(*document) bool, error) {
	return func(value string) (func(*document) bool, error) {
		want := newPhrase(value)
		return func(d *document) bool { return want.in(newPassage(of(d.author))) }, nil
	}
}

func atLeast(of func(*document) int) func(string) (func(*document) bool, error) {
	return func(value string) (func(*document) bool, error) {
		least, err := strconv.Atoi(value)
		if err != nil || least < 0 {
			return nil, errors.New("its value must be a number of 0 or more")
		}
		return func(d *document) bool { return of(d) >= least }, nil
	}
}

// within matches a number, or a range such as 10..100.
func within(of func(*document) int) func(string) (func(*document) bool, error) {
	return func(value string) (func(*document) bool, error) {
		low, high, ranged := strings.Cut(value, "..")
		if !ranged {
			high = low
		}
		least, err := strconv.Atoi(low)
		most, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil || least < 0 || most < least {
			return nil, errors.New("its value must be a number or a range such as 10..100")
		}
		return func(d *document) bool { n := of(d); return n >= least && n <= most }, nil
	}
}

// sampled draws by a Post's words: Posts that say the same are in or out
// together.
func sampled(value string) (func(*document) bool, error) {
	percent, err := strconv.Atoi(value)
	if err != nil || percent < 1 || percent > 100 {
		return nil, errors.New("its value must be a number from 1 to 100")
	}
	return func(d *document) bool { return d.draw%100 < uint64(percent) }, nil
}

// threshold reads a number and leaves the choice to embedding.
func threshold(value string) (func(*document) bool, error) {
	if x, err := strconv.ParseFloat(value, 64); err != nil || !(x >= 0 && x <= 1) {
		return nil, errors.New("its value must be a number from 0 to 1")
	}
	return func(*document) bool { return true }, nil
}

// area reads an area of so many numbers in brackets and matches nothing.
func area(numbers int) func(string) (func(*document) bool, error) {
	return func(value string) (func(*document) bool, error) {
		inner, opened := strings.CutPrefix(value, "[")
		inner, closed := strings.CutSuffix(inner, "]")
		if n := len(strings.Fields(inner)); !opened || !closed || n != numbers {
			return nil, fmt.Errorf("its value must be %d numbers in brackets", numbers)
		}
		return nothing(value)
	}
}
