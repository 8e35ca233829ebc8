package simulator

import (
	"strings"
	"testing"
	"time"
)

func TestRules(t *testing.T) {
	d := newDocument(subject{
		text: "Nothing beats a good " + topicMark + ", Café au lait! #" + topicMark + " @Friend_1 今日は寒い 😂", quoted: "grey skies",
		lang: "en", author: "sim_0001", authorID: "1001",
		hashtags: []entity{{word: topicMark}}, mentions: []entity{{word: "Friend_1"}}, reply: true, media: true,
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
		e, err := parseRule(rule)
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
		"", " ", "OR", "coffee OR", "OR coffee", "(coffee", "coffee)", "()", `"coffee`, `""`, `"coffee"~5`,
		"lang:en", "-coffee", "has:media", "has:media OR coffee", "coffee OR -tea", "-(coffee tea) milk",
		"coffee nonsense:1", "is:weird coffee", "from:", `url:"x.com"`,
	} {
		if _, err := parseRule(rule); err == nil {
			t.Errorf("%q is accepted", rule)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	for _, seed := range []string{`(coffee OR "good tea") -is:retweet lang:en`, "-(a)", `"`, "😂 #x @y"} {
		f.Add(seed)
	}
	d := newDocument(subject{text: "coffee"}, "coffee")
	f.Fuzz(func(t *testing.T, rule string) {
		if e, err := parseRule(rule); err == nil {
			e.match(d)
		} else if strings.Contains(err.Error(), "\n") && !strings.Contains(rule, "\n") {
			t.Errorf("error of several lines: %v", err)
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
