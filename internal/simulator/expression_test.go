package simulator

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRules(t *testing.T) {
	d := newDocument(subject{
		text: "Nothing beats a good " + topicMark + ", Café au lait! #" + topicMark + " @Friend_1 今日は寒い 😂", quoted: "grey skies",
		lang: "en", author: person{username: "sim_0001", id: "1001"}, other: person{username: "Friend_1", id: "1002"}, kind: "replied_to",
		hashtags: []entity{{word: topicMark}}, mentions: []entity{{word: "Friend_1"}}, media: true,
	}, "coffee")
	for rule, want := range map[string]bool{
		"coffee":                        true,
		"COFFEE":                        true,
		"coffe":                         false,
		"tea":                           false,
		"tea OR coffee":                 true,
		"tea coffee":                    false,
		"good coffee":                   true,
		`"good coffee"`:                 true,
		`"coffee good"`:                 false,
		`"lait coffee friend_1"`:        true,
		`"寒い grey"`:                     false,
		"café":                          true,
		"cafe":                          false,
		"今日":                            true,
		"昨日":                            false,
		"😂":                             true,
		"grey":                          true,
		"#coffee":                       true,
		"#good":                         false,
		"@friend_1":                     true,
		"@other":                        false,
		"from:sim_0001":                 true,
		"from:1001":                     true,
		"from:sim_0002":                 false,
		"coffee lang:en":                true,
		"coffee lang:ja":                false,
		"coffee -lang:ja":               true,
		"coffee -good":                  false,
		"coffee -tea":                   true,
		`coffee -"good coffee"`:         false,
		"tea OR coffee good":            true,
		"coffee OR tea nonsense":        true,
		"(coffee OR tea) nonsense":      false,
		"(coffee OR tea) (good OR bad)": true,
		"((coffee))":                    true,
		"coffee is:reply has:images":    true,
		"coffee -is:retweet":            true,
		"coffee is:retweet":             false,
		"coffee has:hashtags":           true,
		"coffee has:geo":                false,
	} {
		e, err := parseExpression(rule, filteredRules)
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		if got := e.match(d); got != want {
			t.Errorf("%s: %v, want %v", rule, got, want)
		}
	}
}

func TestRulesThatXRefuses(t *testing.T) {
	for _, rule := range []string{
		"", " ", "OR", "coffee OR", "OR coffee", "(coffee", "coffee)", "()", `"coffee`, `""`, `"coffee"~7`,
		"lang:en", "-coffee", "has:media", "has:media OR coffee", "coffee OR -tea", "-(coffee tea) milk",
		"coffee nonsense:1", "is:weird coffee", "from:", `url:"x.com`,
	} {
		if _, err := parseExpression(rule, filteredRules); err == nil {
			t.Errorf("%q is accepted", rule)
		}
	}
}

// The operators by X's pages: filtered-stream/integrate/operators and
// search/integrate/operators. A rule, recent, all: who has it.
func TestOperatorsOfEachProduct(t *testing.T) {
	for operator, who := range map[string]string{
		"word": "rule recent all", "😂": "rule recent all", `"two words"`: "rule recent all", `"two words"~3`: "rule",
		"#tag": "rule recent all", "@user": "rule recent all", "$tsla": "rule recent all",
		"from:user": "rule recent all", "to:user": "rule recent all", "retweets_of:user": "rule recent all",
		"from_affiliate_of:user": "rule", "to_affiliate_of:user": "rule",
		"url:\"https://example.com\"": "rule recent all", "url_title:snow": "rule", "url_description:weather": "rule", "url_contains:photos": "rule",
		"context:10.799022225751871488": "rule recent all", `entity:"Michael Jordan"`: "rule recent", "conversation_id:1334987486343299072": "rule recent all",
		"bio:developer": "rule", `bio_name:"dr no"`: "rule", `bio_location:"big apple"`: "rule",
		`place:"new york city"`: "rule recent all", "place_country:US": "rule recent all",
		"point_radius:[2.355128 48.861118 16km]": "rule recent all", "bounding_box:[-105.301758 39.964069 -105.178505 40.09455]": "rule recent all",
		"word is:retweet": "rule recent all", "word is:reply": "rule recent all", "word is:quote": "rule recent all", "word is:verified": "rule recent all",
		"word -is:nullcast": "rule recent all", "word is:nullcast": "",
		"word has:hashtags": "rule recent all", "word has:cashtags": "rule recent all", "word has:links": "rule recent all", "word has:mentions": "rule recent all",
		"word has:media": "rule recent all", "word has:images": "rule recent all", "word has:video_link": "rule recent all", "word has:geo": "rule recent all",
		"word sample:15": "rule", "word -sample:15": "", "word sample:0": "", "word sample:101": "", "sample:15": "",
		"word lang:en": "rule recent all", "lang:en": "",
		"min_followers:1000": "rule", "followers_count:1000..10000": "rule", "followers_count:10000..1000": "", "tweets_count:1000..10000": "rule",
		"following_count:1000..10000": "rule", "listed_count:10": "rule",
		"in_reply_to_tweet_id:1539382664746020864": "rule recent all", "retweets_of_tweet_id:1539382664746020864": "rule recent all",
		"quotes_of_tweet_id:1539382664746020864": "recent all", "list:123": "recent all", `source:"X for iPhone"`: "rule",
		`embedding:"climate change"`: "rule", `embedding:"climate change" embedding_threshold:0.45`: "rule", `word -embedding:"climate change"`: "",
		"embedding_threshold:0.45": "", "word embedding_threshold:2": "",
		"word min_likes:100": "recent all", "min_replies:10": "recent all", "min_reposts:50": "recent all", "min_likes:-1": "",
		"min_faves:10": "", "min_retweets:10": "", "nonsense:1": "", "https://example.com": "",
		"bounding_box:[1 2 3]": "", "bounding_box:[1 2 3 4": "", `"two words"~0`: "", `"two words"~x`: "", `from:"a"b`: "", `a"b"`: "",
	} {
		for name, in := range map[string]product{"rule": filteredRules, "recent": recentSearch, "all": archiveSearch} {
			_, err := parseExpression(operator, in)
			if has := slices.Contains(strings.Fields(who), name); has != (err == nil) {
				t.Errorf("%s in %s: %v", operator, name, err)
			}
			name, _, _ := strings.Cut(strings.TrimPrefix(operator, "word "), ":")
			if err != nil && who != "" && !strings.Contains(operator, "~") && !strings.Contains(err.Error(), "'"+name+"'") {
				t.Errorf("%s: %v does not name the operator", operator, err)
			}
		}
	}
}

func TestOperatorsOfPosts(t *testing.T) {
	d := newDocument(subject{
		text: "Nothing beats Café au lait! #" + topicMark + " Crème brûlée, e\u0301lan", quoted: "grey skies", lang: "fr", kind: "quoted", otherID: "42",
		author: person{id: "1", username: "Sim_00001", name: "Avery Stone", bio: "writes \"things\" | reads more", location: "Orléans, France", followers: 500, following: 20, listed: 3, posts: 7000, verified: true},
		other:  person{id: "2", username: "real_2"},
		urls:   []string{"https://t.co/AbC", "https://example.com/News/Today"}, contexts: []string{"46.155", "30.78"}, entities: []string{"michael jordan"},
		place: "Orléans, France", reposts: 50, hashtags: []entity{{word: topicMark}},
	}, "coffee")
	for text, want := range map[string]string{ // in which products it matches
		"grey": "rule", `"lait coffee creme"`: "", "cafe": "", "café": "rule search", "CAFÉ": "rule search",
		"cafè": "", "bats": "", "béats": "search", `"nothing béats"`: "search", "#coffeé": "search", "#coffee": "rule search",
		"\u00e9lan": "", "e\u0301lan": "rule search", "elan": "",
		`"nothing lait"~4`: "rule", `"lait nothing"~4`: "rule", `"nothing lait"~3`: "", `"nothing café lait"~4`: "rule", `"grey skies"~1`: "rule", `"brûlée grey"~6`: "",
		"from:sim_00001": "rule search", "from:1": "rule search", `from:"SIM_00001"`: "rule search", "from:2": "", "to:real_2": "", "retweets_of:real_2": "",
		"quotes_of_tweet_id:42": "search", "in_reply_to_tweet_id:42": "", "conversation_id:42": "", "retweets_of_tweet_id:42": "",
		"url:example.com": "rule search", `url:"https://example.com/news"`: "rule search", "url:ample": "", "url_contains:ample": "rule", "url:t.co": "rule search",
		"context:46.155": "rule search", "context:46.*": "rule search", "context:*.78": "rule search", "context:30.155": "", `entity:"Michael Jordan"`: "rule search",
		"bio:things": "rule", `bio:"reads more"`: "rule", "bio:thing": "", "bio_name:avery": "rule", `bio_location:"orléans"`: "rule", "bio_location:orleans": "",
		`place:"orléans, france"`: "rule search", "place:orléans": "rule search", "place:france": "", "place_country:GB": "rule search", "place_country:FR": "",
		"min_followers:500": "rule", "min_followers:501": "", "followers_count:100..500": "rule", "followers_count:499": "", "following_count:20": "rule",
		"listed_count:1..2": "", "tweets_count:7000..7000": "rule", "min_reposts:50": "search", "min_reposts:51": "", "min_likes:0": "search", "min_likes:1": "",
		"lait is:quote": "rule search", "lait is:verified": "rule search", "lait has:geo": "rule search", "lait has:links": "rule search", "lait has:cashtags": "",
		"lait sample:100": "rule", "lait -is:nullcast": "rule search", "lait -has:links": "", "lait lang:fr": "rule search",
		`"writes \"things\""`: "", "list:1": "", `source:web`: "",
	} {
		for name, in := range map[string]product{"rule": filteredRules, "search": recentSearch} {
			e, err := parseExpression(text, in)
			if got := err == nil && e.match(d); got != slices.Contains(strings.Fields(want), name) {
				t.Errorf("%s in %s: %v, %v", text, name, got, err)
			}
		}
	}
}

func TestSampleDrawsItsShare(t *testing.T) {
	e, err := parseExpression("("+defaultRules()[0].Value+" OR "+defaultRules()[1].Value+") sample:10", filteredRules)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range wordings {
		if e.match(documentOf(i)) {
			n++
		}
	}
	if share := float64(n) / float64(wordings); share < 0.09 || share > 0.11 {
		t.Errorf("a sample of 10 %% has %.3f", share)
	}
}

func FuzzParseExpression(f *testing.F) {
	for _, seed := range []string{`(coffee OR "good tea") -is:retweet lang:en`, "-(a)", `"`, "😂 #x @y",
		`"a b"~3 from:"x\"y" point_radius:[1 2 3km] followers_count:1..5 sample:10 $a`} {
		f.Add(seed)
	}
	d := newDocument(subject{text: "coffee"}, "coffee")
	f.Fuzz(func(t *testing.T, rule string) {
		for _, in := range []product{filteredRules, recentSearch, archiveSearch} {
			if e, err := parseExpression(rule, in); err == nil {
				e.match(d)
			} else if strings.Contains(err.Error(), "\n") && !strings.Contains(rule, "\n") {
				t.Errorf("error of several lines: %v", err)
			}
		}
	})
}

func TestKeywordsMatchTheirShare(t *testing.T) {
	h := testHistory(5, 1000)
	posts := between(h, noon, noon.Add(20*time.Second), nil)
	set := func(list ...Rule) *ruleSet {
		r, err := newRules(list, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r.sets[0]
	}
	for _, test := range []struct {
		rules  *ruleSet
		lowest float64
		most   float64
	}{
		{set(defaultRules()...), 1, 1},
		{set(defaultRules()[0]), 0.48, 0.52},
		{set(Rule{Value: "coffee"}), 0.015, 0.025},
		{set(Rule{Value: "coffee OR planet"}), 0.03, 0.05},
		{set(), 0, 0},
	} {
		n := 0
		for _, p := range posts {
			if test.rules.match(h, p) != nil {
				n++
			}
		}
		if share := float64(n) / float64(len(posts)); share < test.lowest || share > test.most {
			t.Errorf("%v match %.3f of the Posts", test.rules.list(), share)
		}
	}
}
