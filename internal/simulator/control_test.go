package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestExpectedByHTTP(t *testing.T) {
	inWorld(t, Config{Rate: 100}, func(w *world) {
		time.Sleep(time.Minute)
		for _, test := range []struct {
			query, stream string
			partition     int
			from, to      time.Time
		}{
			{"", "filtered", 0, w.sim.started, time.Now()},
			{params("stream", "firehose", "partition", "3", "from", noon.Add(-time.Hour+1).Format(time.RFC3339Nano), "to", noon.Format(time.RFC3339Nano)),
				"firehose", 3, noon.Add(-time.Hour + 1), noon},
			{params("from", noon.Format(time.RFC3339), "to", noon.Format(time.RFC3339)), "filtered", 0, noon, noon},
		} {
			var got []string
			w.control("expected"+test.query, &got)
			want := []string{}
			for _, id := range w.expected(test.stream, test.partition, test.from, test.to) {
				want = append(want, strconv.FormatUint(id, 10))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d IDs, want %d", test.query, len(got), len(want))
			}
		}
	})
}

func TestControlRefuses(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		for _, path := range []string{
			"expected?stream=nonsense", "expected?stream=activity", "expected?stream=firehose&partition=21", "expected?partition=1",
			"expected?from=yesterday", "expected?nonsense=1", "expected?search=nonsense&query=a", "expected?search=all", "expected?query=coffee", "expected?search=all&query=sample:1",
			"expected?search=all&query=a&stream=filtered",
		} {
			response, err := w.http.Get("http://simulator/simulator/" + path)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode != 400 || !strings.Contains(string(body), `{"error":"`) {
				t.Errorf("%s: %s %s", path, response.Status, body)
			}
		}
		for _, body := range []string{"", "{}", `{"kind":"nonsense"}`, `[{"kind":"reset"}]`, strings.Repeat(" ", maxFaultBody+1)} {
			response, err := w.http.Post("http://simulator/simulator/faults", "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != 400 {
				t.Errorf("%.20q: %s", body, response.Status)
			}
		}
		if list := w.sim.Faults(); len(list) != 0 {
			t.Errorf("faults %+v", list)
		}
	})
}

func TestControlBreaksAndTells(t *testing.T) {
	inWorld(t, Config{Rate: 10}, func(w *world) {
		r := w.open(filtered + "?backfill_minutes=1")
		time.AfterFunc(10*time.Second, func() {
			response, err := w.http.Post("http://simulator/simulator/faults", "", strings.NewReader(`{"kind":"stall","for":"1.5s"}`))
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			var h Happened
			if err := json.NewDecoder(response.Body).Decode(&h); err != nil || h.Hits != 1 || h.Fault != (Fault{Kind: Stall, For: 1500 * time.Millisecond}) {
				t.Errorf("%+v, %v", h, err)
			}
		})
		time.AfterFunc(20*time.Second, func() {
			var c Connections
			w.control("connections", &c)
			if len(c.Open) != 1 || c.Open[0].Stream != "filtered" || c.Open[0].Posts < 700 || c.Open[0].BackfillMinutes != 1 {
				t.Errorf("%+v", c)
			}
			var s Status
			w.control("status", &s)
			if s.Open != 1 || s.Posts < 700 || s.Rules != 2 || s.Rate != 10 || s.Faults != 1 {
				t.Errorf("%+v", s)
			}
		})
		r.read(30 * time.Second)
		w.refusal(firehose)
		synctest.Wait() // the server notices the end in its own time
		var c Connections
		w.control("connections", &c)
		if c.Total != 2 || c.Connects[0].Status != 200 || c.Connects[0].BackfillMinutes != 1 || c.Connects[1].Status != 400 || c.Connects[1].Stream != "firehose" ||
			!c.Connects[0].At.Equal(w.sim.started) || c.Ended["client_left"] != 1 {
			t.Errorf("%+v", c)
		}
		var faults []Happened
		w.control("faults", &faults)
		if len(faults) != 1 || !faults[0].At.Equal(w.sim.started.Add(10*time.Second)) {
			t.Errorf("%+v", faults)
		}
	})
}

// rulesRequest calls the rules endpoint.
func (w *world) rulesRequest(method, query, body string) (int, rulesAnswer) {
	w.Helper()
	request, _ := http.NewRequest(method, "http://simulator"+filtered+"/rules"+query, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer simulator")
	response, err := w.http.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	var answer rulesAnswer
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		w.Fatal(err)
	}
	return response.StatusCode, answer
}

func TestRulesEndpoint(t *testing.T) {
	inWorld(t, Config{Rules: []Rule{}, Account: Account{Rules: 3}}, func(w *world) {
		values := func() (list []string) {
			_, answer := w.rulesRequest("GET", "", "")
			if *answer.Meta.ResultCount != len(answer.Data) {
				t.Errorf("result_count %d of %d", *answer.Meta.ResultCount, len(answer.Data))
			}
			for _, r := range answer.Data {
				list = append(list, r.Value)
			}
			return list
		}
		for _, step := range []struct {
			query, body string
			status      int
			summary     map[string]int
			problem     string
			after       []string
		}{
			{"", `{"add":[{"value":"cat","tag":"c"},{"value":"dog"}]}`, 201, map[string]int{"created": 2, "valid": 2}, "", []string{"cat", "dog"}},
			{"", `{"add":[{"value":"cat"}]}`, 400, map[string]int{"not_created": 1, "valid": 1}, "duplicate-rules", []string{"cat", "dog"}},
			{"", `{"add":[{"value":"bird"},{"value":"nonsense:1"}]}`, 400, map[string]int{"not_created": 2, "valid": 1, "invalid": 1}, "invalid-rules", []string{"cat", "dog"}},
			{"", `{"add":[{"value":"` + strings.Repeat("long ", 300) + `"}]}`, 400, map[string]int{"not_created": 1, "invalid": 1}, "invalid-rules", []string{"cat", "dog"}},
			{"?dry_run=true", `{"add":[{"value":"bird"}]}`, 201, map[string]int{"created": 1, "valid": 1}, "", []string{"cat", "dog"}},
			{"?dry_run=True", `{"add":[{"value":"bird"}]}`, 201, map[string]int{"created": 1, "valid": 1}, "", []string{"cat", "dog"}},
			{"", `{"add":[{"value":"cat"},{"value":"bird"}]}`, 201, map[string]int{"created": 1, "not_created": 1, "valid": 2}, "duplicate-rules", []string{"cat", "dog", "bird"}},
			{"", `{"add":[{"value":"fish"}]}`, 400, map[string]int{"not_created": 1, "invalid": 1}, "rule-cap", []string{"cat", "dog", "bird"}},
			{"?dry_run=true", `{"delete":{"values":["cat"]}}`, 200, map[string]int{"deleted": 1}, "", []string{"cat", "dog", "bird"}},
			{"", `{"delete":{"values":["cat","fish"]}}`, 200, map[string]int{"deleted": 1, "not_deleted": 1}, "invalid-request", []string{"dog", "bird"}},
			{"?delete_all=true", ``, 200, map[string]int{"deleted": 2}, "", nil},
		} {
			status, answer := w.rulesRequest("POST", step.query, step.body)
			for name, n := range answer.Meta.Summary {
				if step.summary[name] != n {
					t.Errorf("%s: %s is %d", step.body, name, n)
				}
			}
			found := ""
			if len(answer.Errors) > 0 {
				found = answer.Errors[0].Type
			}
			if status != step.status || !strings.HasSuffix(found, step.problem) || (found == "") != (step.problem == "") || answer.Meta.Sent.IsZero() {
				t.Errorf("%.50s: %d %+v", step.body, status, answer)
			}
			if after := values(); !slices.Equal(after, step.after) {
				t.Errorf("%.50s: then %q", step.body, after)
			}
		}
		for _, body := range []string{``, `{}`, `nonsense`, `{"add":[],"delete":{}}`, `{"nonsense":1}`} {
			if status, _ := w.rulesRequest("POST", "", body); status != 400 {
				t.Errorf("%q: %d", body, status)
			}
		}
	})
}

func TestRulesPages(t *testing.T) {
	var rules []Rule
	for _, topic := range topics {
		rules = append(rules, Rule{Value: topic, Tag: "about " + topic})
	}
	inWorld(t, Config{Rules: rules}, func(w *world) {
		var got []Rule
		for token := ""; ; {
			_, answer := w.rulesRequest("GET", "?max_results=20"+token, "")
			got = append(got, answer.Data...)
			if answer.Meta.NextToken == "" {
				break
			}
			token = "&pagination_token=" + answer.Meta.NextToken
		}
		for i, r := range got {
			if r.Value != rules[i].Value || r.Tag != rules[i].Tag || r.ID == "" {
				t.Errorf("rule %+v", r)
			}
		}
		if _, some := w.rulesRequest("GET", "?ids="+got[7].ID+","+got[3].ID, ""); len(some.Data) != 2 || len(got) != len(rules) {
			t.Errorf("%d rules, by ID %+v", len(got), some.Data)
		}
		if status, answer := w.rulesRequest("POST", "", `{"delete":{"ids":["`+got[7].ID+`","1"]}}`); status != 200 || answer.Meta.Summary["deleted"] != 1 || answer.Meta.Summary["not_deleted"] != 1 {
			t.Errorf("%d %+v", status, answer)
		}
	})
}

func TestBadConfigs(t *testing.T) {
	for _, config := range []Config{
		{Rate: -1}, {Rate: 1e9}, {MaxLateness: -1}, {SendBuffer: -1}, {Overflow: "nonsense"}, {RuleDelay: -1}, {ReplaySpeed: -1}, {ReplaySpeed: 1e9},
		{Rules: []Rule{{Value: "lang:en"}}}, {Rules: []Rule{{Value: "a"}, {Value: "a"}}},
	} {
		if _, err := New(config); err == nil {
			t.Errorf("%+v is accepted", config)
		}
	}
}
