package simulator

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
)

// page is one answer of a search.
type page struct {
	history *history
	posts   []post // the newest first
	next    string // the token of the page after it
}

type searchMeta struct {
	Newest string `json:"newest_id,omitempty"`
	Oldest string `json:"oldest_id,omitempty"`
	Next   string `json:"next_token,omitempty"`
	Count  int    `json:"result_count"`
}

// extra is something that a Post's line has beside the Post: an object of its
// includes, or a partial error. Posts of one template have the same.
type extra struct {
	list, key string
	raw       []byte
}

// includes are the lists of includes, in X's order; errors is beside them.
var includes = []string{"media", "places", "tweets", "users"}

// extras are those of each template.
var extras = sync.OnceValue(func() *[templateCount][]extra {
	var all [templateCount][]extra
	for i, t := range templates() {
		var line struct {
			Includes map[string][]json.RawMessage
			Errors   []json.RawMessage
		}
		if err := json.Unmarshal(t.body, &line); err != nil {
			panic(fmt.Errorf("template %d: %w", i, err)) // tests read all of them
		}
		for _, list := range includes {
			all[i] = appendExtras(all[i], list, line.Includes[list])
		}
		all[i] = appendExtras(all[i], "errors", line.Errors)
	}
	return &all
})

func appendExtras(to []extra, list string, objects []json.RawMessage) []extra {
	for _, raw := range objects {
		var keys struct {
			ID       string `json:"id"`
			Media    string `json:"media_key"`
			Resource string `json:"resource_id"`
		}
		json.Unmarshal(raw, &keys) // as a part of what was read
		to = append(to, extra{list, cmp.Or(keys.Media, keys.Resource, keys.ID), raw})
	}
	return to
}

// body is the page as X writes it: the Posts alone, and beside them what their
// expansions brought, each object once.
func (p page) body() []byte {
	lists := map[string][][]byte{}
	seen := map[[2]string]bool{}
	for _, post := range p.posts {
		lists["data"] = append(lists["data"], p.history.data(post))
		for _, x := range extras()[p.history.content(post).templateIndex()] {
			if key := [2]string{x.list, x.key}; !seen[key] {
				seen[key] = true
				lists[x.list] = append(lists[x.list], x.raw)
			}
		}
	}
	var shared []byte
	for _, list := range includes {
		shared = appendList(shared, list, lists[list])
	}
	body := appendList([]byte("{"), "data", lists["data"])
	if shared != nil {
		body = slices.Concat(body, []byte(`"includes":{`), bytes.TrimSuffix(shared, []byte(",")), []byte("},"))
	}
	body = appendList(body, "errors", lists["errors"])
	return slices.Concat(body, []byte(`"meta":`), p.meta(), []byte("}\n"))
}

// appendList appends a JSON array and its name, with a comma behind them; an
// empty one is left out.
func appendList(b []byte, name string, objects [][]byte) []byte {
	if len(objects) == 0 {
		return b
	}
	return slices.Concat(b, []byte(`"`+name+`":[`), bytes.Join(objects, []byte(",")), []byte("],"))
}

func (p page) meta() []byte {
	meta := searchMeta{Count: len(p.posts), Next: p.next}
	if len(p.posts) > 0 {
		meta.Newest = strconv.FormatUint(p.posts[0].id(), 10)
		meta.Oldest = strconv.FormatUint(p.posts[len(p.posts)-1].id(), 10)
	}
	text, err := json.Marshal(meta)
	if err != nil { // strings and a number always marshal
		panic(err)
	}
	return text
}
