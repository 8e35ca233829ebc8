// Package conformance has clients that others wrote consume the simulator: what
// they accept, how they reconnect and how they manage rules was not written with
// our reading of X's documentation in mind. It needs Python, Node and the package
// registries, so -short leaves it out.
package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("installs clients from the package registries")
	}
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			c.prepare(t)
			s := startSimulator(t)
			t.Run("rules", func(t *testing.T) { testRules(t, c, s) })
			t.Run("search recent", func(t *testing.T) { testSearch(t, c, s, "recent", "coffee lang:en -is:retweet", 100) })
			t.Run("search all", func(t *testing.T) { testSearch(t, c, s, "all", "(coffee OR planet) lang:en", 500) })
			t.Run("filtered", func(t *testing.T) {
				testStream(t, c, s, "filtered", 500, []string{"clean_end", "reset", "operational_disconnect"})
			})
			t.Run("sample", func(t *testing.T) {
				testStream(t, c, s, "sample", 10, []string{"reset"})
			})
		})
	}
}

// connection is what a client received from one connection.
type connection struct {
	opened, last time.Time
	ids          []string
}

// testStream reads a stream with as many disconnections as there are faults,
// each after so many Posts; the client reconnects in its own way. Within a
// connection no Post may be missing, foreign or repeated.
func testStream(t *testing.T, c client, s *simulator, stream string, posts int, faults []string) {
	var connections []*connection
	var current *connection
	args := []string{s.baseURL, token, stream, fmt.Sprint(len(faults) + 1), fmt.Sprint(posts)}
	c.run(t, args, func(e event) {
		switch e.Event {
		case "connected":
			current = &connection{opened: time.Now()}
			connections = append(connections, current)
		case "post":
			current.last = time.Now()
			current.ids = append(current.ids, e.ID)
			if len(current.ids) == posts && len(connections) <= len(faults) {
				s.breakNow(t, faults[len(connections)-1], stream)
			}
			if matched := decode[[]string](t, e.Rules); stream == "filtered" && len(matched) == 0 {
				t.Errorf("Post %s names no rule that it matches", e.ID)
			}
		case "errors": // the announcement of an operational disconnect
		default:
			t.Errorf("connection %d: %s %d %s", len(connections), e.Event, e.Status, e.Reason)
		}
	})

	if got, want := len(connections), len(faults)+1; got != want {
		t.Fatalf("%d connections, want %d", got, want)
	}
	for i, got := range connections {
		// A Post reaches the client after its delivery, never before.
		want := s.expected(t, stream, got.opened.Add(-5*time.Second), got.last)
		if err := unbrokenRun(got.ids, want); err != nil {
			t.Errorf("connection %d, %d Posts: %v", i+1, len(got.ids), err)
		}
	}
}

// unbrokenRun says what is wrong with got unless it is some part of want with
// nothing left out, repeated or added.
func unbrokenRun(got, want []string) error {
	place := make(map[string]int, len(want))
	for i, id := range want {
		place[id] = i
	}
	places := make([]int, 0, len(got))
	for _, id := range got {
		at, known := place[id]
		if !known {
			return fmt.Errorf("post %s is not among the %d of this time", id, len(want))
		}
		places = append(places, at)
	}
	slices.Sort(places)
	for i := 1; i < len(places); i++ {
		switch before, at := places[i-1], places[i]; {
		case at == before:
			return fmt.Errorf("post %s came twice", want[at])
		case at > before+1:
			return fmt.Errorf("%d Posts are missing from %s on", at-before-1, want[before+1])
		}
	}
	return nil
}

// rule is one rule of the filtered stream as a client shows it.
type rule struct{ ID, Value, Tag string }

func testRules(t *testing.T, c client, s *simulator) {
	rules := map[string][]rule{}
	refusals := map[string][]string{}
	c.run(t, []string{s.baseURL, token, "rules"}, func(e event) {
		switch e.Event {
		case "rules":
			rules[e.Step] = decode[[]rule](t, e.Rules)
		case "refusal":
			refusals[e.Step] = e.Problems
		default:
			t.Errorf("unexpected %s: %s", e.Event, e.Reason)
		}
	})

	for _, step := range []string{"dry run", "added"} {
		if got := rules[step]; len(got) != 1 || got[0].ID == "" || got[0].Value != "cat lang:en" || got[0].Tag != "conformance" {
			t.Errorf("%s: %v, want one rule with an ID", step, got)
		}
	}
	before := rules["before"]
	for _, step := range []string{"after dry run", "after delete"} {
		if got := rules[step]; !sameRules(got, before) {
			t.Errorf("%s: %v, want %v", step, got, before)
		}
	}
	if got, want := rules["after add"], slices.Concat(before, rules["added"]); !sameRules(got, want) {
		t.Errorf("after add: %v, want %v", got, want)
	}
	for step, problem := range map[string]string{"duplicate": "/duplicate-rules", "invalid": "/invalid-rules"} {
		if got := refusals[step]; len(got) != 1 || !strings.HasSuffix(got[0], problem) {
			t.Errorf("%s rule: problems %v, want one ...%s", step, got, problem)
		}
	}
}

// sameRules compares without regard to order, which X does not promise.
func sameRules(a, b []rule) bool {
	byID := func(x, y rule) int { return strings.Compare(x.ID, y.ID) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byID), slices.SortedFunc(slices.Values(b), byID))
}

func decode[T any](t *testing.T, raw json.RawMessage) (v T) {
	t.Helper()
	if raw == nil {
		return v
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Errorf("%s: %v", raw, err)
	}
	return v
}
