package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"testing"

	"github.com/xconnect-dev/xconnect/tests/services"
)

type elasticsearch struct{ *services.Elasticsearch }

func startElasticsearch(t *testing.T) elasticsearch {
	t.Helper()
	return elasticsearch{services.StartElasticsearch(t)}
}

// hit is a document as a search finds it.
type hit struct {
	Index   string          `json:"_index"`
	ID      string          `json:"_id"`
	Version int             `json:"_version"`
	Source  json.RawMessage `json:"_source"`
	Sort    []any           `json:"sort"`
}

func (e elasticsearch) each(t *testing.T, f func(id uint64, event []byte)) {
	t.Helper()
	e.ask(t, http.MethodPost, "/posts-*/_refresh", nil, nil)
	after := []any{""}
	for {
		var found struct {
			Hits struct {
				Hits []hit `json:"hits"`
			} `json:"hits"`
		}
		e.ask(t, http.MethodPost, "/posts-*/_search", map[string]any{
			"size": 5000, "version": true, "sort": []any{map[string]any{"id": "asc"}}, "search_after": after,
		}, &found)
		if len(found.Hits.Hits) == 0 {
			return
		}
		for _, h := range found.Hits.Hits {
			id, err := strconv.ParseUint(h.ID, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if want := "posts-" + created(id).UTC().Format("2006.01"); h.Index != want {
				t.Errorf("Post %d is in %s, not in %s", id, h.Index, want)
			}
			if h.Version != 1 {
				t.Errorf("Post %d was written %d times", id, h.Version)
			}
			f(id, h.Source)
			after = h.Sort
		}
	}
}

func (e elasticsearch) ask(t *testing.T, method, path string, question, answer any) {
	t.Helper()
	body, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	if question == nil {
		body = nil
	}
	req, err := http.NewRequestWithContext(t.Context(), method, e.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %.300s (%v)", method, path, res.Status, b, err)
	}
	if answer != nil {
		if err := json.Unmarshal(b, answer); err != nil {
			t.Fatal(err)
		}
	}
}

func (elasticsearch) same(sent, stored []byte) error {
	event, post, err := decoded(sent)
	if err != nil {
		return err
	}
	var document map[string]any
	if err := json.Unmarshal(stored, &document); err != nil {
		return err
	}
	if !reflect.DeepEqual(document["event"], any(event)) {
		return errors.New("event differs")
	}
	for field, want := range map[string]any{"id": post["id"], "author_id": post["author_id"], "lang": post["lang"], "text": fullText(post)} {
		if document[field] != want {
			return fmt.Errorf("%s is %v, want %v", field, document[field], want)
		}
	}
	return nil
}
