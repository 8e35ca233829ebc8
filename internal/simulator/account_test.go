package simulator

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name    string
		account Account
		rules   []Rule
		path    string
		status  int
		want    string // in the body
	}{
		{"no partition", Account{}, nil, firehose, 400, "The `partition` query parameter can not be empty"},
		{"partition too high", Account{}, nil, firehose + "?partition=21", 400, "between 1 and 20"},
		{"partition too low", Account{}, nil, "/2/tweets/sample10/stream?partition=0", 400, "between 1 and 2"},
		{"partition of a whole stream", Account{}, nil, filtered + "?partition=1", 400, "The query parameter [partition] is not one of"},
		{"backfill too long", Account{}, nil, filtered + "?backfill_minutes=6", 400, "between 0 and 5"},
		{"backfill no number", Account{}, nil, filtered + "?backfill_minutes=1.5", 400, "between 0 and 5"},
		{"backfill not offered", Account{Backfill: Unoffered}, nil, filtered + "?backfill_minutes=1", 400, problemTypes + "invalid-request"},
		{"backfill denied", Account{Backfill: Denied}, nil, filtered + "?backfill_minutes=1", 403, problemTypes + "client-forbidden"},
		{"unknown parameter", Account{}, nil, filtered + "?backfillMinutes=1", 400, "The query parameter [backfillMinutes] is not one of"},
		{"unknown field", Account{}, nil, filtered + "?tweet.fields=id,nonsense", 400, "[nonsense]"},
		{"recovery on a sample", Account{}, nil, sample + "?start_time=2026-03-01T11:00:00Z", 400, "start_time"},
		{"bad time", Account{}, nil, filtered + "?start_time=yesterday", 400, "RFC3339"},
		{"no access", Account{Streams: []string{"sample"}}, nil, filtered, 403, "client-forbidden"},
		{"a stream without Posts", Account{}, nil, "/2/tweets/label/stream", 403, "client-forbidden"},
		{"no rules", Account{}, []Rule{}, filtered, 409, "RuleConfigurationIssue"},
		{"wrong path", Account{}, nil, "/2/tweets/nonsense", 404, "Not Found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, Config{Account: test.account, Rules: test.rules}, func(w *world) {
				response, err := w.get(test.path)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				body, _ := io.ReadAll(response.Body)
				if response.StatusCode != test.status || !strings.Contains(string(body), test.want) || !json.Valid(body) {
					t.Errorf("%s: %s", response.Status, body)
				}
			})
		})
	}
}

func TestParametersThatXTakes(t *testing.T) {
	inWorld(t, Config{Account: Account{Backfill: Denied}}, func(w *world) {
		for _, path := range []string{
			filtered + "?backfill_minutes=0",
			filtered + params("tweet.fields", "created_at,edit_history_tweet_ids", "expansions", "author_id", "user.fields", "username"),
		} {
			w.open(path).response.Body.Close()
			synctest.Wait()
		}
	})
}

func TestTokens(t *testing.T) {
	inWorld(t, Config{Account: Account{Token: "right", APIKey: "key&", APISecret: "secret:"}}, func(w *world) {
		for path, status := range map[string]int{filtered: 401, filtered + "/rules": 401, "/simulator/status": 200} {
			response, err := w.get(path) // with the token "simulator"
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != status {
				t.Errorf("%s: %s", path, response.Status)
			}
		}
		exchange := func(credentials, body string) (int, map[string]any) {
			request, _ := http.NewRequest(http.MethodPost, "http://simulator/oauth2/token", strings.NewReader(body))
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
			request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
			response, err := w.http.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var answer map[string]any
			if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
				t.Fatal(err)
			}
			return response.StatusCode, answer
		}
		if status, answer := exchange("key%26:secret%3A", "grant_type=client_credentials"); status != 200 || answer["access_token"] != "right" || answer["token_type"] != "bearer" {
			t.Errorf("%d %v", status, answer)
		}
		for credentials, body := range map[string]string{"key&:secret:": "grant_type=client_credentials", "key%26:secret%3A": "grant_type=password"} {
			if status, answer := exchange(credentials, body); status != 403 || answer["errors"] == nil {
				t.Errorf("%s: %d %v", credentials, status, answer)
			}
		}
	})
}

func TestConnectsInFifteenMinutes(t *testing.T) {
	inWorld(t, Config{Account: Account{Connects: 3}}, func(w *world) {
		time.Sleep(300 * time.Millisecond)
		for left := 2; left >= 0; left-- {
			r := w.open(filtered)
			r.response.Body.Close()
			synctest.Wait()
			if h := r.response.Header; h.Get("x-rate-limit-limit") != "3" || h.Get("x-rate-limit-remaining") != strconv.Itoa(left) {
				t.Errorf("headers %v", h)
			}
			time.Sleep(time.Minute)
		}
		response, p := w.refusal(filtered)
		if response.StatusCode != 429 || p.Type != "about:blank" || p.ConnectionIssue != "" {
			t.Fatalf("%s %+v", response.Status, p)
		}
		unix, err := strconv.ParseInt(response.Header.Get("x-rate-limit-reset"), 10, 64)
		reset := time.Unix(unix, 0)
		if wait := time.Until(reset); err != nil || response.Header.Get("x-rate-limit-remaining") != "0" || wait < 11*time.Minute || wait > 13*time.Minute {
			t.Fatalf("reset in %v", wait)
		}
		w.open(sample).response.Body.Close() // a window of its own
		time.Sleep(time.Until(reset) - time.Second)
		if response, _ := w.refusal(filtered); response.StatusCode != 429 {
			t.Errorf("before the reset: %s", response.Status)
		}
		time.Sleep(time.Second)
		w.open(filtered).response.Body.Close()
	})
}

func TestConnectionsAtATime(t *testing.T) {
	inWorld(t, Config{Rate: 1e-3, Account: Account{SlotHold: 30 * time.Second}}, func(w *world) {
		first, second := w.open(filtered), w.open(filtered)
		full := func() bool {
			response, err := w.get(filtered)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return false
			}
			var p problem
			json.NewDecoder(response.Body).Decode(&p)
			if response.StatusCode != 429 || p.ConnectionIssue != "TooManyConnections" || p.Title != "ConnectionException" {
				t.Errorf("%s %+v", response.Status, p)
			}
			return true
		}
		if !full() {
			t.Fatal("a third connection is let in")
		}
		w.open(sample).response.Body.Close() // a limit of its own
		first.response.Body.Close()
		synctest.Wait()
		time.Sleep(29 * time.Second)
		if !full() {
			t.Error("the slot of a dead connection is free at once")
		}
		time.Sleep(2 * time.Second)
		if full() {
			t.Error("the slot of a dead connection is never free")
		}
		time.Sleep(31 * time.Second)
		w.breakNow(Fault{Kind: CleanEnd}) // of the second: X knows
		synctest.Wait()
		second.read(time.Second)
		if full() {
			t.Error("X holds the slot of a connection that it ended")
		}
	})
}

func TestNewConnectionEndsOld(t *testing.T) {
	inWorld(t, Config{Account: Account{NewConnectionEndsOld: true, Connections: 1, SlotHold: time.Hour}}, func(w *world) {
		for range 5 {
			old := w.open(filtered)
			other := w.open(sample)
			time.Sleep(time.Second)
			newer := w.open(filtered)
			if old.read(time.Minute); old.end != io.EOF {
				t.Errorf("the old one ends with %v", old.end)
			}
			w.breakNow(Fault{Kind: OperationalDisconnect})
			newer.read(time.Minute)
			other.read(time.Minute)
		}
	})
}

func TestUsageCap(t *testing.T) {
	inWorld(t, Config{Rate: 10, Account: Account{UsageCap: 100}}, func(w *world) {
		r := w.open(filtered).read(time.Minute)
		if n := len(r.ids()); n > 100 || n < 95 || r.end != io.EOF || !strings.Contains(r.lines[len(r.lines)-1], "usage-capped") {
			t.Errorf("%d Posts, %v", n, r.end)
		}
		if response, p := w.refusal(filtered); response.StatusCode != 429 || p.Type != problemTypes+"usage-capped" {
			t.Errorf("%s %+v", response.Status, p)
		}
	})
}

func TestUnlimited(t *testing.T) {
	inWorld(t, Config{Rate: 1, Account: Account{Connections: Unlimited, Connects: Unlimited}}, func(w *world) {
		for range 200 {
			r := w.open(filtered)
			defer r.response.Body.Close()
			if r.response.Header.Get("x-rate-limit-limit") != "" {
				t.Fatal("a limit is announced")
			}
		}
		synctest.Wait()
		if n := len(w.sim.Connections().Open); n != 200 {
			t.Errorf("%d connections", n)
		}
	})
}
