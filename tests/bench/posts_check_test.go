package bench

import (
	"bufio"
	"encoding/json"
	"net/http"
	"testing"
)

// What is measured is worth nothing if Posts were dropped as duplicates or
// malformed, or were of another size.
func TestServedPosts(t *testing.T) {
	const lines = 4 * repeatedPosts
	for what, different := range map[string]int{serveNew: lines, serveRepeated: repeatedPosts} {
		t.Run(what, func(t *testing.T) {
			res, err := http.Get(startServer(t, what))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			seen := map[string]bool{}
			size := 0
			r := bufio.NewReader(res.Body)
			for range lines {
				line, err := r.ReadBytes('\n')
				if err != nil {
					t.Fatal(err)
				}
				var post struct {
					Data struct {
						ID      string
						Edits   []string `json:"edit_history_tweet_ids"`
						Started string   `json:"conversation_id"`
					}
				}
				if err := json.Unmarshal(line, &post); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				d := post.Data
				if len(d.ID) != len(idDigits) || len(d.Edits) != 1 || d.Edits[0] != d.ID || d.Started != d.ID {
					t.Fatalf("one Post has several IDs: %s", line)
				}
				seen[d.ID] = true
				size += len(line)
			}
			if len(seen) != different {
				t.Errorf("%d different Posts of %d, want %d", len(seen), lines, different)
			}
			if mean := size / lines; mean < postBytes*98/100 || mean > postBytes*102/100 {
				t.Errorf("lines of %d bytes on average, want %d", mean, postBytes)
			}
		})
	}
}
