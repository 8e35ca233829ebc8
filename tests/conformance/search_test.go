package conformance

import (
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"
)

// testSearch pages through a search to its end. X takes one request a second on
// the archive, which the clients find out by themselves.
func testSearch(t *testing.T, c client, s *simulator, endpoint, query string, size int) {
	from := time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Second)
	to := from.Add(5 * time.Minute)
	before := s.refusals(t, endpoint)
	var got []string
	pages := 0
	args := []string{s.baseURL, token, endpoint, query, from.Format(time.RFC3339), to.Format(time.RFC3339), strconv.Itoa(size)}
	c.run(t, args, func(e event) {
		if e.Event != "page" {
			t.Errorf("unexpected %s: %s", e.Event, e.Reason)
			return
		}
		pages++
		got = append(got, e.IDs...)
		if len(e.Users) == 0 {
			t.Errorf("page %d has no users", pages)
		}
	})

	want := s.found(t, endpoint, query, from, to)
	if !slices.Equal(got, want) || pages != (len(want)+size-1)/size || pages < 3 {
		t.Errorf("%d Posts in %d pages, want %d in pages of %d", len(got), pages, len(want), size)
	}
	if refused := s.refusals(t, endpoint) - before; (refused > 0) != (endpoint == "all") {
		t.Errorf("%d requests came too early", refused)
	}
}

// refusals is how often a search has said that requests come too fast.
func (s *simulator) refusals(t *testing.T, endpoint string) (n int) {
	t.Helper()
	var requests []struct {
		Path   string
		Status int
	}
	s.control(t, "requests", nil, &requests)
	for _, r := range requests {
		if r.Path == "/2/tweets/search/"+endpoint && r.Status == http.StatusTooManyRequests {
			n++
		}
	}
	return n
}
