package simulator

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// line is what a client would decode.
type line struct {
	Data struct {
		ID          string                `json:"id"`
		AuthorID    string                `json:"author_id"`
		CreatedAt   time.Time             `json:"created_at"`
		EditHistory []string              `json:"edit_history_tweet_ids"`
		Lang        string                `json:"lang"`
		Text        string                `json:"text"`
		Note        struct{ Text string } `json:"note_tweet"`
		Entities    struct {
			Hashtags []struct {
				Start, End int
				Tag        string
			}
			Mentions []struct {
				Start, End int
				Username   string
			}
			URLs []struct {
				Start, End int
				URL        string
			}
		}
	} `json:"data"`
	Includes      map[string][]map[string]any `json:"includes"`
	Errors        []problem                   `json:"errors"`
	MatchingRules []Rule                      `json:"matching_rules"`
}

func decode(t testing.TB, b []byte) line {
	t.Helper()
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return l
}

func TestTopicsFitTheirBlanks(t *testing.T) {
	seen := map[string]bool{}
	for _, topic := range topics {
		if len(topic) != topicLength || len(topicMark) != topicLength || seen[topic] {
			t.Errorf("topic %q", topic)
		}
		seen[topic] = true
	}
	weight := 0
	for _, l := range languages {
		weight += l.weight
		for _, s := range l.sentences {
			if !strings.Contains(s, "%") {
				t.Errorf("no place for a topic in %q", s)
			}
			for _, word := range tokens(strings.ToLower(s)) {
				if seen[word] {
					t.Errorf("sentence %q has a topic of its own", s)
				}
			}
		}
	}
	if weight != 100 {
		t.Errorf("the languages' weights add up to %d", weight)
	}
}

func TestPostsAreWhatTheySay(t *testing.T) {
	h := testHistory(1, 4000)
	var size, edits, partial, notes, smallest, largest int
	smallest = 1 << 30
	all := between(h, noon, noon.Add(5*time.Second), nil)
	for _, p := range all {
		raw := h.render(nil, p)
		if len(raw) != h.size(p) {
			t.Fatalf("a line of %d bytes was announced as %d", len(raw), h.size(p))
		}
		size += len(raw)
		smallest, largest = min(smallest, len(raw)), max(largest, len(raw))
		l := decode(t, raw)
		if l.Data.ID != strconv.FormatUint(p.id(), 10) || !l.Data.CreatedAt.Equal(time.Unix(0, p.created).Truncate(time.Millisecond)) {
			t.Fatalf("ID or creation is wrong in %s", raw)
		}
		topic := topics[h.content(p).topic()]
		if !strings.Contains(l.Data.Text, topic) || strings.ContainsAny(l.Data.Text, "\x00\x01") || !utf8.ValidString(l.Data.Text) {
			t.Fatalf("text %q is not about %s", l.Data.Text, topic)
		}
		runes := []rune(l.Data.Text)
		for _, tag := range l.Data.Entities.Hashtags {
			if got := string(runes[tag.Start:tag.End]); got != "#"+tag.Tag {
				t.Fatalf("hashtag %q at %q", tag.Tag, got)
			}
		}
		for _, m := range l.Data.Entities.Mentions {
			if got := string(runes[m.Start:m.End]); got != "@"+m.Username {
				t.Fatalf("mention %q at %q", m.Username, got)
			}
		}
		for _, u := range l.Data.Entities.URLs {
			if got := string(runes[u.Start:u.End]); got != u.URL {
				t.Fatalf("URL %q at %q", u.URL, got)
			}
		}
		last := l.Data.EditHistory[len(l.Data.EditHistory)-1]
		if last != l.Data.ID {
			t.Fatalf("edit history %q of Post %s", l.Data.EditHistory, l.Data.ID)
		}
		if original, ok := h.edited(p); ok {
			edits++
			first := decode(t, h.render(nil, original))
			if l.Data.EditHistory[0] != first.Data.ID || l.Data.AuthorID != first.Data.AuthorID {
				t.Fatalf("edit %s of %s", raw, first.Data.ID)
			}
		}
		if l.Errors != nil {
			partial++
		}
		if l.Data.Note.Text != "" {
			notes++
		}
	}
	if mean := size / len(all); mean < 1700 || mean > 2100 || smallest < 400 || largest > 6000 {
		t.Errorf("lines have %d to %d bytes, %d on average", smallest, largest, mean)
	}
	if n := len(all); edits < n/600 || partial < n/200 || notes < n/30 {
		t.Errorf("of %d Posts %d are edits, %d have partial errors, %d are long", n, edits, partial, notes)
	}
}

func TestTemplatesHaveAllThatIsHardToRead(t *testing.T) {
	var all []byte
	for _, tmpl := range templates() {
		all = append(all, tmpl.body...)
	}
	for _, want := range []string{`\"`, `\\`, `\n`, `\r`, `\t`, `\/`, `\u2028`, `\ud83d\ude`, "👩‍👩‍👧‍👦", `\u0627`, "今日", "Кто", "क्", "오늘", "صباح", "𝒻", "}"} {
		if !bytes.Contains(all, []byte(want)) {
			t.Errorf("no Post has %s", want)
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add(uint64(1), int64(5), int64(3))
	f.Add(uint64(0), int64(1e15), int64(1))
	f.Fuzz(func(t *testing.T, seed uint64, n, rate int64) {
		h := testHistory(seed, float64(1+uint64(rate)%1_000_000))
		begin, end := historyStart.UnixNano()/h.slot+h.editAfter, time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()/h.slot
		p := h.post(begin + int64(uint64(n)%uint64(end-begin)))
		raw := h.render([]byte("before"), p)[len("before"):]
		if bytes.ContainsAny(raw, "\r\n") || len(raw) != h.size(p) {
			t.Fatalf("not one line of %d bytes: %s", h.size(p), raw)
		}
		if l := decode(t, raw); l.Data.ID != strconv.FormatUint(p.id(), 10) {
			t.Fatalf("ID %s, want %d", l.Data.ID, p.id())
		}
	})
}

func BenchmarkRender(b *testing.B) {
	h := testHistory(1, 20_000)
	posts := between(h, noon, noon.Add(time.Second), nil)
	var buffer []byte
	total, i := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		buffer = h.render(buffer[:0], posts[i%len(posts)])
		total += len(buffer)
		i++
	}
	b.SetBytes(int64(total / i))
}

// BenchmarkFeed is all that a filtered Post costs but the network.
func BenchmarkFeed(b *testing.B) {
	sim, err := New(Config{Rate: 20_000, SendBuffer: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	st, _ := lookupStream("filtered")
	f := sim.newFeed(st, streamParameters{}, time.Now().Add(-time.Hour))
	var buffer []byte
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if n == 0 {
			f.arrive(chunkSize)
			buffer, n = f.lines(buffer[:0], chunkSize, math.MaxInt)
		}
		n--
	}
}
