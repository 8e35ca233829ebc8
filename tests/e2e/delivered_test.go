package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"testing"
	"time"
)

// delivered is what an output file holds: how often each Post is in it.
type delivered map[uint64]int

// eachLine calls f with the Post and the bytes of every line of the output, and
// fails the test for a line that is not the JSON of a Post, or not whole.
func (p *process) eachLine(f func(id uint64, line []byte)) {
	p.Helper()
	file, err := os.Open(p.output)
	if err != nil {
		p.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewReaderSize(file, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return
		}
		if err != nil {
			p.Fatalf("line %d of the output, %.80q: %v", n, line, err)
		}
		id, err := postID(line)
		if err != nil {
			p.Fatalf("line %d of the output, %.80q: %v", n, line, err)
		}
		f(id, line)
	}
}

// postID decodes the whole line, and so proves it to be JSON.
func postID(line []byte) (uint64, error) {
	var event struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return 0, err
	}
	return strconv.ParseUint(event.Data.ID, 10, 64)
}

func (p *process) delivered() delivered {
	p.Helper()
	have := delivered{}
	p.eachLine(func(id uint64, _ []byte) { have[id]++ })
	return have
}

// repeats is the number of lines beyond the first of each Post.
func (d delivered) repeats() int {
	n := 0
	for _, times := range d {
		n += times - 1
	}
	return n
}

// check fails the test unless every Post that X delivers in [from, to) is there,
// none is there twice, and none is there that X never sent. It returns how many
// Posts were owed.
func (d delivered) check(t *testing.T, x *fakeX, from, to time.Time) int {
	t.Helper()
	owed := x.owed(from, to)
	if len(owed) == 0 {
		t.Fatal("nothing was published: the test proves nothing")
	}
	missing := 0
	for id := range owed {
		if d[id] > 0 {
			continue
		}
		if missing++; missing <= 3 {
			t.Errorf("Post %d, created %.1f s after the first connection was opened, is missing", id, created(id).Sub(from).Seconds())
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d Posts are missing", missing, len(owed))
	}
	if n := d.repeats(); n > 0 {
		t.Errorf("%d repeats", n)
	}
	// A backfill reaches back over the beginning.
	sent := x.owed(from.Add(-6*time.Minute), time.Now())
	for id := range d {
		if !sent[id] {
			t.Errorf("%d is in the output, and is no Post of this time", id)
		}
	}
	return len(owed)
}

// created is the time in a Post's ID.
func created(id uint64) time.Time { return time.UnixMilli(int64(id>>22) + 1288834974657) }
