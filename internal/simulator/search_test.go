package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	recentPath  = "/2/tweets/search/recent"
	archivePath = "/2/tweets/search/all"
)

// answer is what a client decodes of a page.
type answer struct {
	Data     []json.RawMessage            `json:"data"`
	Includes map[string][]json.RawMessage `json:"includes"`
	Errors   []json.RawMessage            `json:"errors"`
	Meta     struct {
		Newest string `json:"newest_id"`
		Oldest string `json:"oldest_id"`
		Next   string `json:"next_token"`
		Count  int    `json:"result_count"`
	} `json:"meta"`
}

func (a answer) ids() []uint64 {
	var list []uint64
	for _, raw := range a.Data {
		var p struct {
			ID string `json:"id"`
		}
		json.Unmarshal(raw, &p)
		id, _ := strconv.ParseUint(p.ID, 10, 64)
		list = append(list, id)
	}
	return list
}

// search asks for one page, which must be answered.
func (w *world) search(path string, pairs ...string) answer {
	w.Helper()
	response, err := w.get(path + params(pairs...))
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	var b bytes.Buffer
	b.ReadFrom(response.Body)
	if response.StatusCode != http.StatusOK {
		w.Fatalf("%s %v: %s: %s", path, pairs, response.Status, &b)
	}
	var a answer
	if err := unmarshalStrict(b.Bytes(), &a); err != nil {
		w.Fatalf("%s %v: %v in %.500s", path, pairs, err, &b)
	}
	return a
}

// pages asks for all pages, at a pace that X allows.
func (w *world) pages(path string, pairs ...string) []answer {
	w.Helper()
	var list []answer
	for next := pairs; ; {
		a := w.search(path, next...)
		list = append(list, a)
		if a.Meta.Next == "" {
			return list
		}
		next = slices.Concat(pairs, []string{"next_token", a.Meta.Next})
		time.Sleep(3 * time.Second)
	}
}

func idsOf(pages []answer) (list []uint64) {
	for _, p := range pages {
		list = append(list, p.ids()...)
	}
	return list
}

// searchable returns, from the newest on, the Posts created in [from, to) that
// were delivered by a time and say one of some words themselves, each in its latest
// version: read slot by slot and out of the lines that live connections get.
func (w *world) searchable(words []string, from, to, asOf time.Time) []uint64 {
	h := w.sim.history
	var list []uint64
	replaced := map[string]bool{}
	edited := to.Add(time.Minute)
	for n := min(asOf.UnixNano(), edited.UnixNano()) / h.slot; n >= from.UnixNano()/h.slot-1; n-- {
		p := h.post(n)
		if p.delivered > asOf.UnixNano() {
			continue
		}
		l := decode(w, h.render(nil, p))
		history := l.Data.EditHistory
		for _, earlier := range history[:len(history)-1] {
			replaced[earlier] = true
		}
		at := time.Unix(0, p.created)
		said := tokens(strings.ToLower(l.Data.Text + " " + l.Data.Note.Text))
		if replaced[l.Data.ID] || at.Before(from) || !at.Before(to) || !slices.ContainsFunc(words, func(word string) bool { return slices.Contains(said, word) }) {
			continue
		}
		list = append(list, p.id())
	}
	return list
}

func TestSearchPagesToTheEnd(t *testing.T) {
	for _, test := range []struct {
		path, name string
		size, age  int
	}{
		{recentPath, "recent", 100, 6 * 24},
		{recentPath, "recent", 10, 2},
		{archivePath, "all", 500, 300 * 24},
		{archivePath, "all", 37, 8 * 24},
	} {
		inWorld(t, Config{Rate: 10}, func(w *world) {
			from := noon.Add(-time.Duration(test.age) * time.Hour)
			to := from.Add(12 * time.Minute)
			words := []string{"coffee", "planet", "island", "rabbit", "ticket"}
			query := strings.Join(words, " OR ")
			want := w.searchable(words, from, to, time.Now())
			pages := w.pages(test.path, "query", query, "start_time", from.Format(time.RFC3339), "end_time", to.Format(time.RFC3339), "max_results", strconv.Itoa(test.size))
			if got := idsOf(pages); !slices.Equal(got, want) || len(want) < 600 {
				t.Errorf("%s: %d Posts, want %d", test.name, len(got), len(want))
			}
			for i, p := range pages {
				ids := p.ids()
				full := len(ids) == test.size
				if i < len(pages)-1 && !full || p.Meta.Count != len(ids) || p.Meta.Newest != fmt.Sprint(ids[0]) || p.Meta.Oldest != fmt.Sprint(ids[len(ids)-1]) {
					t.Errorf("page %d of %d: %+v", i, len(pages), p.Meta)
				}
			}
			seq, err := w.sim.ExpectedSearch(test.name, query, from, to)
			if err != nil || !slices.Equal(slices.Collect(seq), want) {
				t.Errorf("ExpectedSearch says otherwise: %v", err)
			}
		})
	}
}

func TestSearchWithoutResults(t *testing.T) {
	inWorld(t, Config{Rate: 1}, func(w *world) {
		response, err := w.get(recentPath + "?query=nobody")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var b bytes.Buffer
		b.ReadFrom(response.Body)
		if b.String() != `{"meta":{"result_count":0}}`+"\n" {
			t.Errorf("%s", &b)
		}
	})
}

// Each Post of a page finds in the page's includes and errors what its line on
// the stream has, and the page has nothing twice and nothing else.
func TestPagesShareWhatTheirPostsExpand(t *testing.T) {
	inWorld(t, Config{Rate: 100}, func(w *world) {
		// All of one page's Posts match one of the two rules.
		rules := w.sim.Rules()
		a := w.search(archivePath, "query", rules[0].Value, "max_results", "500")
		if len(a.Data) != 500 {
			t.Fatalf("%d Posts", len(a.Data))
		}
		shared := map[string]int{}
		for list, objects := range a.Includes {
			for _, raw := range objects {
				shared[list+string(raw)]++
			}
		}
		for _, raw := range a.Errors {
			shared["errors"+string(raw)]++
		}
		named := map[string]bool{}
		for i, id := range a.ids() {
			event, err := w.sim.Event("filtered", id)
			if err != nil {
				t.Fatal(err)
			}
			var line struct {
				Data     json.RawMessage
				Includes map[string][]json.RawMessage
				Errors   []json.RawMessage
			}
			if err := json.Unmarshal(event, &line); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a.Data[i], line.Data) {
				t.Fatalf("found  %s\nstream %s", a.Data[i], line.Data)
			}
			lists := line.Includes
			if line.Errors != nil {
				if lists == nil {
					lists = map[string][]json.RawMessage{}
				}
				lists["errors"] = line.Errors
			}
			for list, objects := range lists {
				for _, raw := range objects {
					named[list+string(raw)] = true
				}
			}
		}
		for object, n := range shared {
			if n != 1 || !named[object] {
				t.Errorf("%d times, named %v: %s", n, named[object], object)
			}
		}
		if len(shared) != len(named) || len(a.Includes["users"]) < 100 || len(a.Includes["media"]) == 0 || len(a.Includes["places"]) == 0 || len(a.Includes["tweets"]) == 0 || len(a.Errors) == 0 {
			t.Errorf("the page has %d objects of %d: %d users", len(shared), len(named), len(a.Includes["users"]))
		}
	})
}

// No two Posts disagree about a user, and a Post without expansions finds
// nobody of whom others tell.
func TestUsersAreTheSameInAllPosts(t *testing.T) {
	objects, bare := map[string]string{}, map[string]bool{}
	for _, t := range templates() {
		if !bytes.Contains(t.body, []byte(`"includes"`)) {
			bare[t.subject.author.id] = true
		}
	}
	for i := range templates() {
		for _, x := range extras()[i] {
			if before, known := objects[x.list+x.key]; known && before != string(x.raw) {
				t.Errorf("%s\n%s", before, x.raw)
			}
			objects[x.list+x.key] = string(x.raw)
			if x.list == "users" && bare[x.key] {
				t.Errorf("user %s writes Posts without expansions too", x.key)
			}
		}
	}
	if len(objects) < 800 || len(bare) < 30 {
		t.Errorf("%d objects, %d authors of bare Posts", len(objects), len(bare))
	}
}

func TestPostsAreFoundFromTheirDeliveryOn(t *testing.T) {
	inWorld(t, Config{Rate: 100, MaxLateness: 10 * time.Minute}, func(w *world) {
		from, to := noon.Add(-10*time.Second), noon
		last := -1
		for _, after := range []time.Duration{0, 30 * time.Second, 2 * time.Minute, 11 * time.Minute} {
			time.Sleep(time.Until(noon.Add(after)))
			found := w.sim.mustSearch("all", "coffee", from, to)
			if len(found) <= last || !slices.Equal(found, w.searchable([]string{"coffee"}, from, to, time.Now())) {
				t.Errorf("%v after, %d Posts are found", after, len(found))
			}
			last = len(found)
		}
	})
}

func (s *Simulator) mustSearch(search, query string, from, to time.Time) []uint64 {
	seq, err := s.ExpectedSearch(search, query, from, to)
	if err != nil {
		panic(err)
	}
	return slices.Collect(seq)
}

// All pages are of the moment of the first: neither a late delivery nor an edit
// moves what a later page has.
func TestTokensKeepTheirMoment(t *testing.T) {
	inWorld(t, Config{Rate: 50, MaxLateness: 10 * time.Minute}, func(w *world) {
		from, to := noon.Add(-2*time.Minute), noon.Add(-30*time.Second)
		rule := w.sim.Rules()[0].Value
		want := w.sim.mustSearch("all", rule, from, to)
		asked := []string{"query", rule, "start_time", from.Format(time.RFC3339), "end_time", to.Format(time.RFC3339), "max_results", "100"}
		a := w.search(archivePath, asked...)
		got := a.ids()
		for name := "next_token"; a.Meta.Next != ""; name = "pagination_token" {
			time.Sleep(10 * time.Minute)
			a = w.search(archivePath, slices.Concat(asked, []string{name, a.Meta.Next})...)
			got = append(got, a.ids()...)
		}
		if !slices.Equal(got, want) || len(want) < 500 {
			t.Errorf("%d Posts, want %d", len(got), len(want))
		}
		if slices.Equal(w.sim.mustSearch("all", rule, from, to), want) {
			t.Error("nothing has changed meanwhile")
		}
	})
}

func TestOfAnEditedPostTheLatestVersionIsFound(t *testing.T) {
	inWorld(t, Config{Rate: 100}, func(w *world) {
		from, to := noon.Add(-time.Hour), noon.Add(-30*time.Minute)
		found := map[uint64]bool{}
		for _, rule := range w.sim.Rules() {
			for _, id := range w.sim.mustSearch("all", rule.Value, from, to) {
				found[id] = true
			}
		}
		edits := 0
		for _, p := range between(w.sim.history, from, to.Add(-time.Minute), nil) {
			original, ok := w.sim.history.edited(p)
			if !ok || original.created < from.UnixNano() {
				continue
			}
			edits++
			if !found[p.id()] || found[original.id()] {
				t.Fatalf("edit found: %v, original found: %v", found[p.id()], found[original.id()])
			}
		}
		if all := len(w.expected("firehose", 0, from, to)); edits < 300 || len(found) < all-2*edits || len(found) > all {
			t.Errorf("%d Posts found of %d, %d edits", len(found), all, edits)
		}
	})
}

func TestSearchByID(t *testing.T) {
	inWorld(t, Config{Rate: 100}, func(w *world) {
		all := w.sim.mustSearch("recent", "coffee", noon.Add(-10*time.Minute), noon.Add(-5*time.Minute))
		oldest, newest := all[len(all)-1], all[0]
		got := idsOf(w.pages(recentPath, "query", "coffee", "since_id", fmt.Sprint(oldest), "until_id", fmt.Sprint(newest), "max_results", "100"))
		if !slices.Equal(got, all[1:len(all)-1]) || len(got) < 300 {
			t.Errorf("%d Posts, want %d", len(got), len(all)-2)
		}
		// Until the default end.
		want := w.sim.mustSearch("recent", "coffee", noon.Add(-6*time.Minute), time.Now().Add(-30*time.Second))
		got = idsOf(w.pages(recentPath, "query", "coffee", "since_id", fmt.Sprint(newest), "max_results", "100"))
		if !slices.Equal(got, want[:slices.Index(want, newest)]) || len(got) < 300 {
			t.Errorf("%d Posts since", len(got))
		}
	})
}

func TestSearchDefaults(t *testing.T) {
	inWorld(t, Config{Rate: 1.0 / 600}, func(w *world) {
		rule := w.sim.Rules()[0].Value
		for _, path := range []string{recentPath, archivePath} {
			if first := w.search(path, "query", rule); len(first.Data) != 10 || first.Meta.Next == "" {
				t.Errorf("%s: %+v", path, first.Meta)
			}
		}
		time.Sleep(time.Second)
		for path, reach := range map[string]time.Duration{recentPath: 7*24*time.Hour - 30*time.Second, archivePath: 30 * 24 * time.Hour} {
			end := time.Now().Add(-30 * time.Second)
			want := w.sim.mustSearch(strings.TrimPrefix(path, "/2/tweets/search/"), rule, end.Add(-reach), end)
			if got := idsOf(w.pages(path, "query", rule, "max_results", "100")); !slices.Equal(got, want) || len(got) < 400 {
				t.Errorf("%s: %d Posts, want %d", path, len(got), len(want))
			}
		}
		// The archive's 30 days are those before the end.
		time.Sleep(time.Second)
		end := noon.AddDate(0, -3, 0)
		want := w.sim.mustSearch("all", rule, end.AddDate(0, 0, -30), end)
		if got := idsOf(w.pages(archivePath, "query", rule, "max_results", "500", "end_time", end.Format(time.RFC3339))); !slices.Equal(got, want) || len(got) < 1500 {
			t.Errorf("%d Posts of three months ago, want %d", len(got), len(want))
		}
	})
}

func TestSearchesThatXRefuses(t *testing.T) {
	at := func(d time.Duration) string { return noon.Add(d).Format(time.RFC3339) }
	long := strings.Repeat("coffee ", 73)[:509] + "tea"
	for _, test := range []struct {
		name    string
		account Account
		path    string
		pairs   []string
		status  int
		want    string
	}{
		{"longest query", Account{}, recentPath, []string{"query", long}, 200, ""},
		{"too long", Account{}, recentPath, []string{"query", long + "s"}, 400, "query length (513) exceeds the maximum of 512"},
		{"longer on all", Account{}, archivePath, []string{"query", long + long}, 200, ""},
		{"too long on all", Account{}, archivePath, []string{"query", long + long + "s"}, 400, "1024"},
		{"a length of the account", Account{QueryLength: 5}, archivePath, []string{"query", "coffee"}, 400, "maximum of 5"},
		{"without limit", Account{QueryLength: Unlimited}, recentPath, []string{"query", long + long}, 200, ""},
		{"beyond all limits", Account{QueryLength: Unlimited}, recentPath, []string{"query", strings.Repeat("x", 4097)}, 400, "4096"},
		{"characters, not bytes", Account{}, recentPath, []string{"query", strings.Repeat("é", 512)}, 200, ""},
		{"no query", Account{}, recentPath, nil, 400, "can not be empty"},
		{"empty query", Account{}, recentPath, []string{"query", ""}, 400, "can not be empty"},
		{"only negated", Account{}, recentPath, []string{"query", "-coffee"}, 400, "standalone operator"},
		{"only conjunction-required", Account{}, archivePath, []string{"query", "lang:en has:media"}, 400, "standalone operator"},
		{"lacking operator", Account{}, recentPath, []string{"query", "coffee sample:10"}, 400, "Reference to invalid operator 'sample'. Operator is not available in current product"},
		{"its position", Account{}, recentPath, []string{"query", "café sample:10"}, 400, "(at position 6)"},
		{"few results", Account{}, recentPath, []string{"query", "coffee", "max_results", "9"}, 400, "between 10 and 100"},
		{"many results", Account{}, recentPath, []string{"query", "coffee", "max_results", "101"}, 400, "between 10 and 100"},
		{"more results on all", Account{}, archivePath, []string{"query", "coffee", "max_results", "500"}, 200, ""},
		{"many results on all", Account{}, archivePath, []string{"query", "coffee", "max_results", "501"}, 400, "between 10 and 500"},
		{"end 10 s ago", Account{}, recentPath, []string{"query", "coffee", "end_time", at(-10 * time.Second)}, 200, ""},
		{"end too new", Account{}, recentPath, []string{"query", "coffee", "end_time", at(-9 * time.Second)}, 400, "'end_time' must be a minimum of 10 seconds prior to the request time"},
		{"end in the future", Account{}, archivePath, []string{"query", "coffee", "end_time", at(time.Hour)}, 400, "10 seconds prior"},
		{"7 days ago", Account{}, recentPath, []string{"query", "coffee", "start_time", at(-7 * 24 * time.Hour)}, 200, ""},
		{"more than 7 days ago", Account{}, recentPath, []string{"query", "coffee", "start_time", at(-7*24*time.Hour - time.Second)}, 400, "'start_time' must be on or after 2026-02-22T12:00:00Z"},
		{"since more than 7 days ago", Account{}, recentPath, []string{"query", "coffee", "since_id", "1000000000000000000"}, 400, "'since_id' must be on or after"},
		{"long ago on all", Account{}, archivePath, []string{"query", "coffee", "start_time", "2020-01-01T00:00:00Z", "end_time", "2020-01-01T00:01:00Z"}, 200, ""},
		{"reversed", Account{}, recentPath, []string{"query", "coffee", "start_time", at(-time.Hour), "end_time", at(-2 * time.Hour)}, 400, "must be before 'end_time'"},
		{"bad time", Account{}, recentPath, []string{"query", "coffee", "start_time", "yesterday"}, 400, "RFC3339"},
		{"bad ID", Account{}, recentPath, []string{"query", "coffee", "since_id", "-1"}, 400, "does not match"},
		{"two starts", Account{}, recentPath, []string{"query", "coffee", "since_id", "2028000000000000000", "start_time", at(-time.Hour)}, 400, "in conjunction with"},
		{"two ends", Account{}, recentPath, []string{"query", "coffee", "until_id", "2028000000000000000", "end_time", at(-time.Hour)}, 400, "in conjunction with"},
		{"two tokens", Account{}, recentPath, []string{"query", "coffee", "next_token", "a", "pagination_token", "a"}, 400, "in conjunction with"},
		{"bad token", Account{}, recentPath, []string{"query", "coffee", "next_token", "b26v89c19zqg8o3fobd8v73egzbdt3qao235oql"}, 400, "next_token"},
		{"both orders", Account{}, recentPath, []string{"query", "coffee", "sort_order", "relevancy"}, 200, ""},
		{"no such order", Account{}, recentPath, []string{"query", "coffee", "sort_order", "random"}, 400, "sort_order"},
		{"fields", Account{}, recentPath, []string{"query", "coffee", "tweet.fields", "id,lang", "expansions", "author_id"}, 200, ""},
		{"unknown field", Account{}, recentPath, []string{"query", "coffee", "tweet.fields", "id,nonsense"}, 400, "[nonsense]"},
		{"unknown parameter", Account{}, recentPath, []string{"query", "coffee", "partition", "1"}, 400, "[partition] is not one of"},
		{"recent denied", Account{SearchRecent: Denied}, recentPath, []string{"query", "coffee"}, 403, "client-forbidden"},
		{"all denied", Account{SearchAll: Denied}, archivePath, []string{"query", "coffee"}, 403, "client-forbidden"},
		{"recent with all denied", Account{SearchAll: Denied}, recentPath, []string{"query", "coffee"}, 200, ""},
		{"all not offered", Account{SearchAll: Unoffered}, archivePath, []string{"query", "coffee"}, 404, "Not Found"},
		{"no token", Account{Token: "another"}, recentPath, []string{"query", "coffee"}, 401, "Unauthorized"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, Config{Rate: 0.1, Account: test.account}, func(w *world) {
				response, err := w.get(test.path + params(test.pairs...))
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				var b bytes.Buffer
				b.ReadFrom(response.Body)
				var p problem
				json.Unmarshal(b.Bytes(), &p)
				text := b.String()
				if len(p.Errors) > 0 {
					text = p.Errors[0].Message
				}
				if response.StatusCode != test.status || !strings.Contains(text, test.want) {
					t.Errorf("%s: %.500s", response.Status, &b)
				}
				if test.status == 400 && p.Type != problemTypes+"invalid-request" {
					t.Errorf("type %s", p.Type)
				}
			})
		})
	}
}

func TestSearchesKeepTheirOperatorsApart(t *testing.T) {
	inWorld(t, Config{Rate: 1}, func(w *world) {
		for range 2 {
			time.Sleep(time.Second)
			w.search(recentPath, "query", "entity:weather")
			if response, _ := w.refusal(archivePath + "?query=entity:weather"); response.StatusCode != 400 {
				t.Error(response.Status)
			}
		}
	})
}

func TestTokensAreOfOneSearch(t *testing.T) {
	inWorld(t, Config{Rate: 10}, func(w *world) {
		a := w.search(recentPath, "query", "coffee")
		for _, pairs := range [][]string{
			{"query", "planet", "next_token", a.Meta.Next},
			{"query", "coffee", "next_token", a.Meta.Next, "start_time", noon.Add(-time.Hour).Format(time.RFC3339)},
			{"query", "coffee", "next_token", a.Meta.Next[1:]},
		} {
			if response, p := w.refusal(recentPath + params(pairs...)); response.StatusCode != 400 || !strings.Contains(p.Errors[0].Message, "not of a search") {
				t.Errorf("%v: %s %+v", pairs, response.Status, p)
			}
		}
		again := w.search(recentPath, "query", "coffee", "next_token", a.Meta.Next)
		time.Sleep(8 * 24 * time.Hour)
		if later := w.search(recentPath, "query", "coffee", "next_token", a.Meta.Next, "max_results", "10"); !slices.Equal(later.ids(), again.ids()) {
			t.Error("a token has expired")
		}
	})
}

func TestSearchRequestsInFifteenMinutes(t *testing.T) {
	for _, test := range []struct {
		path    string
		account Account
		allowed int
		every   time.Duration
	}{
		{recentPath, Account{}, 450, 0},
		{archivePath, Account{}, 300, time.Second},
		{recentPath, Account{SearchRequests: 3}, 3, 0},
		{archivePath, Account{SearchRequests: 3}, 3, time.Second},
	} {
		inWorld(t, Config{Rate: 1e-3, Account: test.account}, func(w *world) {
			for left := test.allowed - 1; left >= 0; left-- {
				response, err := w.get(test.path + "?query=coffee")
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if h := response.Header; response.StatusCode != 200 || h.Get("x-rate-limit-limit") != strconv.Itoa(test.allowed) || h.Get("x-rate-limit-remaining") != strconv.Itoa(left) {
					t.Fatalf("%s: %v", response.Status, h)
				}
				time.Sleep(test.every)
			}
			response, p := w.refusal(test.path + "?query=coffee")
			reset, err := strconv.ParseInt(response.Header.Get("x-rate-limit-reset"), 10, 64)
			if response.StatusCode != 429 || p.Type != "about:blank" || err != nil || response.Header.Get("x-rate-limit-remaining") != "0" {
				t.Fatalf("%s %v", response.Status, response.Header)
			}
			time.Sleep(time.Until(time.Unix(reset, 0)))
			w.search(test.path, "query", "coffee")
		})
	}
}

func TestArchiveTakesOneRequestASecond(t *testing.T) {
	inWorld(t, Config{Rate: 1e-3}, func(w *world) {
		time.Sleep(300 * time.Millisecond)
		w.search(archivePath, "query", "coffee")
		w.search(recentPath, "query", "coffee")
		w.search(recentPath, "query", "coffee")
		time.Sleep(999 * time.Millisecond)
		response, _ := w.refusal(archivePath + "?query=coffee")
		if h := response.Header; response.StatusCode != 429 || h.Get("x-rate-limit-limit") != "1" || h.Get("x-rate-limit-reset") != strconv.FormatInt(noon.Unix()+2, 10) {
			t.Errorf("%s %v", response.Status, h)
		}
		time.Sleep(time.Millisecond)
		w.search(archivePath, "query", "coffee")
	})
	inWorld(t, Config{Rate: 1e-3, Account: Account{SearchRequests: Unlimited}}, func(w *world) {
		for range 500 {
			w.search(archivePath, "query", "coffee")
		}
	})
}

func TestSearchIsUsage(t *testing.T) {
	inWorld(t, Config{Rate: 10, Account: Account{UsageCap: 15}}, func(w *world) {
		w.search(recentPath, "query", "coffee")
		w.search(recentPath, "query", "coffee")
		if response, p := w.refusal(recentPath + "?query=coffee"); response.StatusCode != 429 || p.Type != problemTypes+"usage-capped" {
			t.Errorf("%s %+v", response.Status, p)
		}
	})
}

func TestRequestsAreOnRecord(t *testing.T) {
	inWorld(t, Config{Rate: 1, Account: Account{SearchAll: Denied}}, func(w *world) {
		w.search(recentPath, "query", "coffee lang:en", "max_results", "100")
		w.refusal(archivePath + "?query=coffee")
		w.rulesRequest("POST", "", `{"add":[{"value":"cat"}]}`)
		w.breakNow(Fault{Kind: Hang, Target: Searches})
		w.http.Timeout = time.Second
		w.get(recentPath + "?query=coffee")
		w.http.Timeout = 0
		var list []Request
		w.control("requests", &list)
		var got []string
		for _, r := range list {
			got = append(got, fmt.Sprintf("%s %s %s%s %d", r.Method, r.Path, r.Query["query"], r.Query["max_results"], r.Status))
		}
		want := []string{
			"GET /2/tweets/search/recent [coffee lang:en][100] 200",
			"GET /2/tweets/search/all [coffee][] 403",
			"POST /2/tweets/search/stream/rules [][] 201",
			"GET /2/tweets/search/recent [coffee][] 0",
		}
		if !slices.Equal(got, want) || !list[0].At.Equal(noon) {
			t.Errorf("%q", got)
		}
	})
}

func TestFaultsOfSearches(t *testing.T) {
	inWorld(t, Config{Rate: 1}, func(w *world) {
		ask := map[Target]string{Searches: recentPath + "?query=coffee", RulesRequests: filtered + "/rules"}
		for target, path := range ask {
			for kind, status := range map[Kind]int{Unauthorized401: 401, Forbidden403: 403, RateLimited: 429, UsageCapped: 429, InternalError500: 500, Unavailable503: 503, AcceptThenClose: 200} {
				w.breakNow(Fault{Kind: kind, Target: target})
				for other, path := range ask {
					if other != target {
						w.open(path).response.Body.Close()
					}
				}
				w.open(filtered).response.Body.Close() // a stream is none of it
				response, err := w.get(path)
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				b.ReadFrom(response.Body)
				response.Body.Close()
				if response.StatusCode != status || (b.Len() == 0) != (kind == AcceptThenClose) {
					t.Errorf("%s of %s: %s %s", kind, target, response.Status, &b)
				}
				w.open(path).response.Body.Close()
			}
		}
		w.breakNow(Fault{Kind: Unavailable503}) // aimed at streams alone
		w.open(ask[Searches]).response.Body.Close()
		w.breakNow(Fault{Kind: HeaderDelay, Target: Searches, Delay: 7 * time.Second})
		begin := time.Now()
		if w.search(recentPath, "query", "coffee"); time.Since(begin) != 7*time.Second {
			t.Errorf("after %v", time.Since(begin))
		}
	})
}

func TestCounts(t *testing.T) {
	type counts struct {
		Data []bucket
		Meta struct {
			Posts  int `json:"total_post_count"`
			Tweets int `json:"total_tweet_count"`
		}
	}
	inWorld(t, Config{Rate: 10}, func(w *world) {
		for granularity, length := range map[string]time.Duration{"": time.Hour, "hour": time.Hour, "minute": time.Minute, "day": 24 * time.Hour} {
			from, to := noon.Add(-90*time.Minute-30*time.Second), noon.Add(-90*time.Second)
			pairs := []string{"query", "coffee", "start_time", from.Format(time.RFC3339), "end_time", to.Format(time.RFC3339)}
			if granularity != "" {
				pairs = append(pairs, "granularity", granularity)
			}
			response, err := w.get("/2/tweets/counts/recent" + params(pairs...))
			if err != nil {
				t.Fatal(err)
			}
			var c counts
			err = json.NewDecoder(response.Body).Decode(&c)
			response.Body.Close()
			if err != nil || response.StatusCode != 200 || response.Header.Get("x-rate-limit-limit") != "300" {
				t.Fatalf("%s %v", response.Status, err)
			}
			sum, at := 0, from
			for _, b := range c.Data {
				start, _ := time.Parse(time.RFC3339, b.Start)
				end, _ := time.Parse(time.RFC3339, b.End)
				if !start.Equal(at) || end.Sub(start) > length || b.Posts != len(w.sim.mustSearch("recent", "coffee", start, end)) || b.Posts != b.Tweets {
					t.Errorf("%s: %+v after %s", granularity, b, at)
				}
				at = end
				sum += b.Posts
			}
			if !at.Equal(to) || sum != c.Meta.Posts || sum != c.Meta.Tweets || sum < 500 {
				t.Errorf("%s: %d Posts of %+v, to %s", granularity, sum, c.Meta, at)
			}
		}
		if response, _ := w.refusal("/2/tweets/counts/recent?query=coffee&granularity=week"); response.StatusCode != 400 {
			t.Error(response.Status)
		}
		response, err := w.get("/2/tweets/counts/recent?query=coffee")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var c counts
		if json.NewDecoder(response.Body).Decode(&c); len(c.Data) != 7*24 {
			t.Errorf("%d hours in a week", len(c.Data))
		}
	})
}

func TestEvent(t *testing.T) {
	inWorld(t, Config{Rate: 1000, Rules: []Rule{{Value: "coffee"}}}, func(w *world) {
		r := w.open(filtered)
		r.read(10 * time.Second)
		for i, id := range r.ids() {
			if line, err := w.sim.Event("filtered", id); err != nil || string(line)+"\r\n" != r.lines[i] {
				t.Fatalf("%s, %v\nwas %s", line, err, r.lines[i])
			}
		}
		other := slices.DeleteFunc(w.expected("firehose", 0, noon, noon.Add(time.Second)), func(id uint64) bool { return slices.Contains(r.ids(), id) })[0]
		for _, err := range []error{
			second(w.sim.Event("filtered", other)), second(w.sim.Event("filtered", 1)), second(w.sim.Event("nonsense", other)),
			second(w.sim.Event("activity", other)), second(w.sim.Event("firehose", r.ids()[0]+1)),
		} {
			if err == nil {
				t.Error("no error")
			}
		}
		if _, err := w.sim.Event("firehose", other); err != nil {
			t.Error(err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// A week of a query that finds nothing, and one that finds all.
func TestSearchIsQuick(t *testing.T) {
	begin := time.Now()
	inWorld(t, Config{Rate: 4, Account: Account{SearchRequests: Unlimited}}, func(w *world) {
		if got := w.search(recentPath, "query", "nobody"); len(got.Data) != 0 {
			t.Errorf("%d Posts", len(got.Data))
		}
		from := noon.Add(-time.Hour)
		rule := w.sim.Rules()[0].Value
		got := idsOf(w.pages(archivePath, "query", rule, "start_time", from.Format(time.RFC3339), "max_results", "500"))
		if len(got) < 6_000 {
			t.Errorf("%d Posts", len(got))
		}
	})
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}
