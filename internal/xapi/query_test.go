package xapi

import (
	"hash/fnv"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var (
	recentSearch, _ = LookupSearch("recent")
	archiveSearch   = func() SearchEndpoint { e, _ := LookupSearch("all"); return e }()
)

func TestLookupSearch(t *testing.T) {
	if recentSearch.Path != "/2/tweets/search/recent" || archiveSearch.Path != "/2/tweets/search/all" {
		t.Errorf("%+v, %+v", recentSearch, archiveSearch)
	}
	if e, ok := LookupSearch("stream"); ok {
		t.Errorf("found %+v", e)
	}
}

// TestMissing has the operators of X's two lists, each with its own example.
func TestMissing(t *testing.T) {
	tests := []struct {
		rule        string
		recent, all string // missing; "!": the rule cannot be read
	}{
		{`pepsi OR cola OR "coca cola"`, "", ""},
		{`(😃 OR 😡) 😬`, "", ""},
		{`("X API" OR #v2) -"filtered stream"`, "", ""},
		{`#thankunext #fanart @XDevelopers $twtr -$fb`, "", ""},
		{`from:XDevelopers OR to:API OR retweets_of:twitterdev`, "", ""},
		{`url:"https://developer.x.com"`, "", ""},
		{`context:10.799022225751871488 OR context:47.*`, "", ""},
		{`entity:"Michael Jordan"`, "", "entity:"},
		{`conversation_id:1334987486343299072 list:123`, "", ""},
		{`in_reply_to_tweet_id:1 OR retweets_of_tweet_id:2 OR quotes_of_tweet_id:3`, "", ""},
		{`place:"new york city" OR place:seattle place_country:US`, "", ""},
		{`point_radius:[2.355128 48.861118 16km]`, "", ""},
		{`bounding_box:[-105.301758 39.964069 -105.178505 40.09455]`, "", ""},
		{`data @XDevelopers -is:retweet is:verified -is:nullcast has:video_link lang:en`, "", ""},
		{`x min_likes:100 min_replies:10 min_reposts:50`, "", ""},

		{`#nowplaying @spotify sample:15`, "sample:", "sample:"},
		{`bio:developer OR bio:"data engineer"`, "bio:", "bio:"},
		{`bio_name:phd bio_location:"big apple"`, "bio_name: bio_location:", "bio_name: bio_location:"},
		{`"social media"~5`, "~N", "~N"},
		{`from_affiliate_of:X to_affiliate_of:X`, "from_affiliate_of: to_affiliate_of:", "from_affiliate_of: to_affiliate_of:"},
		{`url_title:snow url_description:weather url_contains:photos`, "url_title: url_description: url_contains:", "url_title: url_description: url_contains:"},
		{`min_followers:1000 followers_count:1000..10000`, "min_followers: followers_count:", "min_followers: followers_count:"},
		{`tweets_count:1..2 following_count:1..2 listed_count:10..100`, "tweets_count: following_count: listed_count:", "tweets_count: following_count: listed_count:"},
		{`cat source:"X for iPhone"`, "source:", "source:"},
		{`embedding:"climate change" embedding_threshold:0.45`, "embedding: embedding_threshold:", "embedding: embedding_threshold:"},

		{`cat ((dog -bio:x) OR -(SAMPLE:1 bird))`, "bio: sample:", "bio: sample:"},
		{`a invented:1 invented:2`, "invented:", "invented:"},
		{`cat --bio:x`, "bio:", "bio:"},
		{`"bio:x" "say \"bio:y\" or" #tag:bio:z`, "", ""},
		{`url:bio:x place:"say \"bio:y\" 1"`, "", ""},
		{`cat"bio:x"bio:y`, "bio:", "bio:"},
		{`cat(bio:x)OR(dog)`, "bio:", "bio:"},
		{strings.Repeat("(cat) ", 2000), "", ""},
		{strings.Repeat("(", 1000) + "cat" + strings.Repeat(")", 1000), "", ""},
		{`follow-up :) 10% ~3`, "!", "!"},
		{`follow-up : 10% ~3 "a"~ "b"~x - or and ORbit`, "", ""},

		{``, "!", "!"},
		{`  `, "!", "!"},
		{`cat OR`, "!", "!"},
		{`OR cat`, "!", "!"},
		{`cat OR OR dog`, "!", "!"},
		{`(cat`, "!", "!"},
		{`cat)`, "!", "!"},
		{`()`, "!", "!"},
		{`(cat OR) dog`, "!", "!"},
		{`"cat`, "!", "!"},
		{`"cat\"`, "!", "!"},
		{`bio:"cat`, "!", "!"},
		{`point_radius:[1 2`, "!", "!"},
		{strings.Repeat("(", 1_000_000), "!", "!"},
	}
	for _, test := range tests {
		for _, at := range []struct {
			SearchEndpoint
			want string
		}{{recentSearch, test.recent}, {archiveSearch, test.all}} {
			missing, err := at.Missing(test.rule)
			if got := strings.Join(missing, " "); (err != nil) != (at.want == "!") || err == nil && got != at.want {
				t.Errorf("%s of %.100s: %q, %v; want %q", at.Name, test.rule, got, err, at.want)
			}
		}
	}
}

func TestMissingSaysWhereARuleIsWrong(t *testing.T) {
	_, err := recentSearch.Missing(`Müll "zwei`)
	if err == nil || err.Error() != "the rule cannot be read: a quotation mark is not closed (at position 6)" {
		t.Error(err)
	}
}

func TestParseQuery(t *testing.T) {
	g, err := parseQuery(`apple OR iphone -(ipad OR Bio:"x y") "a b"~3`)
	want := group{
		{{text: "apple"}},
		{
			{text: "iphone"},
			{text: `-(ipad OR Bio:"x y")`, negated: true, group: group{{{text: "ipad"}}, {{text: `Bio:"x y"`, operator: "bio"}}}},
			{text: `"a b"~3`, operator: proximity},
		},
	}
	if err != nil || !reflect.DeepEqual(g, want) {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestStrip(t *testing.T) {
	tests := []struct {
		rule, query string // query "!": it cannot be stripped
		removed     []string
	}{
		{`  cat   OR (dog "a b")`, `  cat   OR (dog "a b")`, nil},
		{`is:reply`, `is:reply`, nil}, // lacks nothing: what X says of it is X's matter
		{`cat bio:dog`, `cat`, []string{`bio:dog`}},
		{`bio:"big dog"  (cat OR mouse)   -is:retweet`, `(cat OR mouse) -is:retweet`, []string{`bio:"big dog"`}},
		{`cat -source:"X for iPhone" sample:10`, `cat`, []string{`-source:"X for iPhone"`, `sample:10`}},
		{`cat "a b"~3 lang:en`, `cat lang:en`, []string{`"a b"~3`}},
		{`"a"bio:x"b"`, `"a" "b"`, []string{`bio:x`}},
		{`from:a (lang:en bird OR #b) bio:x`, `from:a (lang:en bird OR #b)`, []string{`bio:x`}},
		{`(has:media cat OR #b) bio:x`, `(has:media cat OR #b)`, []string{`bio:x`}},

		{`bio:dog`, "!", nil},
		{`"a b"~3`, "!", nil},
		{`bio:dog lang:en`, "!", nil},
		{`bio:dog is:reply has:media`, "!", nil},
		{`bio:dog -cat`, "!", nil},
		{`bio:dog (has:media OR #b)`, "!", nil},
		{`bio:dog -(cat mouse)`, "!", nil},
		{`cat OR bio:dog`, "!", nil},
		{`cat OR mouse bio:dog`, "!", nil},
		{`cat (mouse OR bio:dog)`, "!", nil},
		{`cat (mouse bio:dog)`, "!", nil},
		{`cat -(mouse bio:dog)`, "!", nil},
		{`cat bio:"dog`, "!", nil},
	}
	for _, test := range tests {
		query, removed, ok := recentSearch.Strip(test.rule)
		if test.query == "!" {
			if ok || query != "" || removed != nil {
				t.Errorf("%s: %q without %q, %t", test.rule, query, removed, ok)
			}
		} else if !ok || query != test.query || !slices.Equal(removed, test.removed) {
			t.Errorf("%s: %q without %q, %t; want %q without %q", test.rule, query, removed, ok, test.query, test.removed)
		}
	}
	if query, _, ok := archiveSearch.Strip(`cat entity:x`); !ok || query != "cat" {
		t.Errorf("full archive: %q, %t", query, ok)
	}
}

func TestFits(t *testing.T) {
	for _, test := range []struct {
		endpoint   SearchEndpoint
		enterprise bool
		most       int
	}{{recentSearch, false, 512}, {archiveSearch, false, 1024}, {recentSearch, true, 4096}, {archiveSearch, true, 4096}} {
		longest := strings.Repeat("é", test.most)
		if !test.endpoint.Fits(longest, test.enterprise) || test.endpoint.Fits(longest+"e", test.enterprise) {
			t.Errorf("%s, Enterprise %t: not %d characters", test.endpoint.Name, test.enterprise, test.most)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, rule := range []string{
		`pepsi OR cola OR "coca cola"`, `("X API" OR #v2) -"filtered stream"`, `point_radius:[2.3 48.8 16km] -is:nullcast`,
		`cat bio:"a \"b\" c" sample:10`, `"a b"~3 (x OR y -(z OR source:w)) bio:q`, `"a"bio:x"b"~4c`, `--a - -- ((b))`, "a\u00a0bio:\xff\u2003b",
		`a"b"OR(c)`, `bio:[a b]c`, `bio:`, `x :y z:`,
	} {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		g, err := parseQuery(rule)
		if err != nil {
			return
		}
		again, err := parseQuery(rejoin(g))
		if err != nil || !reflect.DeepEqual(bare(again), bare(g)) {
			t.Fatalf("%q became %q: %v, %+v", rule, rejoin(g), err, again)
		}
		missing, err := recentSearch.Missing(rule)
		if err != nil {
			t.Fatal(err)
		}
		query, removed, ok := recentSearch.Strip(rule)
		if !ok {
			if len(missing) == 0 {
				t.Fatalf("%q lacks nothing, and cannot be stripped", rule)
			}
			return
		}
		if len(missing) == 0 && query != rule || (len(missing) == 0) != (len(removed) == 0) {
			t.Fatalf("%q lacks %q, became %q without %q", rule, missing, query, removed)
		}
		if left, err := recentSearch.Missing(query); err != nil || len(left) > 0 {
			t.Fatalf("%q became %q, which lacks %q, %v", rule, query, left, err)
		}
		stripped, _ := parseQuery(query)
		if len(removed) > 0 && !stripped.narrows() {
			t.Fatalf("%q became %q, which has no standalone term", rule, query)
		}
		for world := range byte(32) {
			if matches(g, world) && !matches(stripped, world) {
				t.Fatalf("%q matches what %q does not", rule, query)
			}
		}
	})
}

// rejoin writes a rule with one space wherever it had some or none.
func rejoin(g group) string {
	var alternatives []string
	for _, terms := range g {
		var words []string
		for _, t := range terms {
			word := t.text
			if t.group != nil {
				word = word[:strings.IndexByte(word, '(')] + "( " + rejoin(t.group) + " )"
			}
			words = append(words, word)
		}
		alternatives = append(alternatives, strings.Join(words, " "))
	}
	return strings.Join(alternatives, " OR ")
}

// bare is a group whose groups are without their texts.
func bare(g group) group {
	for _, terms := range g {
		for i, t := range terms {
			if t.group != nil {
				terms[i].text = ""
				bare(t.group)
			}
		}
	}
	return g
}

// matches says whether a rule matches the Post of a made-up world, in which
// each term holds or not.
func matches(g group, world byte) bool {
	return slices.ContainsFunc(g, func(terms []term) bool {
		return !slices.ContainsFunc(terms, func(t term) bool {
			holds := false
			if t.group != nil {
				holds = matches(t.group, world)
			} else {
				h := fnv.New64a()
				h.Write([]byte{world})
				h.Write([]byte(strings.TrimLeft(t.text, "-")))
				holds = h.Sum64()%2 == 0
			}
			return holds == t.negated
		})
	})
}
