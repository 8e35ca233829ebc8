package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// connectionList is the answer of GET /2/connections.
type connectionList struct {
	Data []historyEntry
	Meta struct {
		Count int    `json:"result_count"`
		Next  string `json:"next_token"`
	}
}

func (w *world) connectionList(query string) (list connectionList) {
	w.Helper()
	response, err := w.get("/2/connections" + query)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil || response.StatusCode != http.StatusOK || list.Meta.Count != len(list.Data) {
		w.Fatalf("%s: %s, %v", query, response.Status, err)
	}
	return list
}

// delete asks X to end connections, and returns what it says.
func (w *world) delete(path, body string) (status, killed, failed int) {
	w.Helper()
	request, _ := http.NewRequest(http.MethodDelete, "http://simulator/2/connections"+path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer simulator")
	response, err := w.http.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			Killed  int           `json:"successful_kills"`
			Failed  int           `json:"failed_kills"`
			Results []termination `json:"results"`
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.Data.Results) != answer.Data.Killed+answer.Data.Failed {
		w.Fatalf("%s: %+v, %v", path, answer, err)
	}
	synctest.Wait()
	return response.StatusCode, answer.Data.Killed, answer.Data.Failed
}

func TestConnectionHistory(t *testing.T) {
	inWorld(t, Config{Rate: 1, Account: Account{Connections: Unlimited}}, func(w *world) {
		w.open(sample).read(0)
		w.open(filtered).read(time.Minute)
		for _, path := range []string{filtered, sample, firehose + "?partition=4", "/2/tweets/firehose/stream/lang/en?partition=1"} {
			defer w.open(path).response.Body.Close()
		}
		synctest.Wait()
		names := func(l connectionList) (names []string) {
			for _, c := range l.Data {
				names = append(names, c.Endpoint)
			}
			return names
		}
		active := w.connectionList("")
		if got := names(active); !slices.Equal(got, []string{"firehose_stream_lang_en", "firehose_stream", "sample_stream", "filtered_stream"}) || !active.Data[0].Connected.Equal(noon.Add(time.Minute)) {
			t.Errorf("%+v", active)
		}
		past := w.connectionList("?status=inactive").Data
		if len(past) != 2 || past[1].Endpoint != "sample_stream" || past[0].Reason != "client_left" || !past[0].Connected.Equal(noon) || !past[0].Disconnected.Equal(noon.Add(time.Minute)) {
			t.Errorf("%+v", past)
		}
		all := w.connectionList("?status=all&endpoints=filtered_stream,sample_stream&connection.fields=id,endpoint_name").Data
		if len(all) != 4 {
			t.Errorf("%+v", all)
		}
		first := w.connectionList("?status=all&max_results=4")
		second := w.connectionList("?status=all&max_results=4&pagination_token=" + first.Meta.Next)
		if len(first.Data) != 4 || len(second.Data) != 2 || second.Meta.Next != "" {
			t.Errorf("%+v, then %+v", first, second)
		}
		var ids []string
		for _, c := range slices.Concat(first.Data, second.Data) {
			ids = append(ids, c.ID)
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 6 || len(ids[0]) != 36 {
			t.Errorf("IDs %q", ids)
		}
		for _, wrong := range []string{"?status=nonsense", "?endpoints=nonsense", "?max_results=101", "?connection.fields=nonsense", "?nonsense=1"} {
			if response, _ := w.refusal("/2/connections" + wrong); response.StatusCode != 400 {
				t.Errorf("%s: %s", wrong, response.Status)
			}
		}
	})
}

func TestTermination(t *testing.T) {
	inWorld(t, Config{Rate: 1, Account: Account{SlotHold: time.Hour}}, func(w *world) {
		var open []*reading
		for _, path := range []string{filtered, filtered, sample, sample} {
			open = append(open, w.open(path))
		}
		synctest.Wait()
		list := w.connectionList("").Data // the newest first
		for _, step := range []struct {
			path, body             string
			status, killed, failed int
			left                   int
		}{
			{"", `{"uuids":["` + list[3].ID + `","nonsense"]}`, 200, 1, 1, 3},
			{"", `{"uuids":["` + list[3].ID + `"]}`, 200, 0, 1, 3},
			{"", `{"uuids":[]}`, 400, 0, 0, 3},
			{"", `nonsense`, 400, 0, 0, 3},
			{"/nonsense", ``, 400, 0, 0, 3},
			{"/filtered_stream", ``, 200, 1, 0, 2},
			{"/all", ``, 200, 2, 0, 0},
		} {
			status, killed, failed := w.delete(step.path, step.body)
			if status != step.status || killed != step.killed || failed != step.failed {
				t.Errorf("%s %s: %d, %d ended, %d not", step.path, step.body, status, killed, failed)
			}
			w.listed(step.left)
		}
		for _, r := range open {
			if r.read(time.Minute); r.end != io.EOF {
				t.Errorf("an ended one ends with %v", r.end)
			}
		}
		if past := w.connectionList("?status=inactive").Data; len(past) != 4 || past[0].Reason != "terminated" {
			t.Errorf("%+v", past)
		}
		w.open(filtered).response.Body.Close() // X knows that its slot is free
	})
}

func TestRuleCounts(t *testing.T) {
	inWorld(t, Config{Account: Account{Rules: 25_000}}, func(w *world) {
		response, err := w.get(filtered + "/rules/counts?rules_count.fields=cap_per_project")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		want := `{"data":{"all_project_client_apps":[{"client_app_id":"1","rule_count":2}],"cap_per_client_app":"25000","cap_per_project":"25000",` +
			`"client_app_rules_count":{"client_app_id":"1","rule_count":2},"project_rules_count":"2"}}` + "\n"
		if string(body) != want {
			t.Errorf("%s", body)
		}
		if response, _ := w.refusal(filtered + "/rules/counts?nonsense=1"); response.StatusCode != 400 {
			t.Error(response.Status)
		}
	})
}

func TestRulesRequestsInFifteenMinutes(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		for range 450 {
			w.rulesRequest("GET", "", "")
		}
		if response, _ := w.refusal(filtered + "/rules"); response.StatusCode != 429 {
			t.Error(response.Status)
		}
		if status, _ := w.rulesRequest("POST", "?dry_run=true", `{"add":[{"value":"cat"}]}`); status != 201 {
			t.Error(status) // a window of its own
		}
		for _, wrong := range []string{"?max_results=0", "?max_results=1001", "?pagination_token=nonsense", "?nonsense=1"} {
			time.Sleep(15 * time.Minute)
			if response, _ := w.refusal(filtered + "/rules" + wrong); response.StatusCode != 400 {
				t.Errorf("%s: %s", wrong, response.Status)
			}
		}
	})
}
