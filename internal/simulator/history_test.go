package simulator

import (
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testHistory(seed uint64, rate float64) *history {
	return newHistory(seed, rate, defaultMaxLateness)
}

// between collects what is delivered in a period.
func between(h *history, from, to time.Time, keep func(post) bool) []post {
	var all []post
	for c := h.deliveries(from.UnixNano(), keep); ; {
		p, ok := c.next(to.UnixNano())
		if !ok {
			return all
		}
		all = append(all, p)
	}
}

func ids(posts []post) []uint64 {
	list := make([]uint64, len(posts))
	for i, p := range posts {
		list[i] = p.id()
	}
	return list
}

func TestDeliveriesAreOrderedCompleteAndAdditive(t *testing.T) {
	for _, rate := range []float64{1.0 / 60, 1, 333, 20_000} {
		h := testHistory(7, rate)
		length := time.Duration(500 / rate * float64(time.Second))
		whole := between(h, noon, noon.Add(length), nil)

		// Slot by slot, without a cursor.
		var want []post
		first := noon.Add(-h.maxLatenessDuration()).UnixNano()/h.slot - 1
		for n := first; n*h.slot < noon.Add(length).UnixNano(); n++ {
			if p := h.post(n); p.delivered >= noon.UnixNano() && p.delivered < noon.Add(length).UnixNano() {
				want = append(want, p)
			}
		}
		slices.SortFunc(want, func(a, b post) int {
			if a.before(b) {
				return -1
			}
			return 1
		})
		if !slices.Equal(whole, want) {
			t.Fatalf("rate %v: the cursor finds %d Posts, a look at each slot %d", rate, len(whole), len(want))
		}
		if n := len(whole); n < 400 || n > 600 {
			t.Errorf("rate %v: %d Posts in the time of 500", rate, n)
		}
		for _, cut := range []time.Duration{0, 1, length / 3, length/2 + 7, length} {
			parts := append(between(h, noon, noon.Add(cut), nil), between(h, noon.Add(cut), noon.Add(length), nil)...)
			if !slices.Equal(parts, whole) {
				t.Errorf("rate %v: cut at %v, the parts are not the whole", rate, cut)
			}
		}
	}
}

func (h *history) maxLatenessDuration() time.Duration { return time.Duration(h.maxLateness) }

func TestIDsAreUniqueSnowflakesOfTheirCreation(t *testing.T) {
	h := testHistory(1, 50_000)
	seen := map[uint64]bool{}
	late, unordered := 0, 0
	var newest int64
	all := between(h, noon, noon.Add(4*time.Second), nil)
	for _, p := range all {
		id := p.id()
		if seen[id] {
			t.Fatalf("ID %d twice", id)
		}
		seen[id] = true
		if ms := int64(id>>22) + 1288834974657; ms != p.created/int64(time.Millisecond) {
			t.Fatalf("ID %d says %d ms, the Post was created at %d", id, ms, p.created/int64(time.Millisecond))
		}
		lateness := time.Duration(p.delivered - p.created)
		if lateness < 0 || lateness > defaultMaxLateness {
			t.Fatalf("a Post is %v late", lateness)
		}
		if lateness > 6500*time.Millisecond {
			late++
		}
		if p.created < newest {
			unordered++
		}
		newest = max(newest, p.created)
	}
	if share := float64(late) / float64(len(all)); share < 0.007 || share > 0.013 {
		t.Errorf("%.2f %% of Posts are more than 6.5 s late, X says one", 100*share)
	}
	if unordered < len(all)/2 {
		t.Errorf("only %d of %d Posts come after a newer one", unordered, len(all))
	}
}

func TestSeedChoosesTheHistory(t *testing.T) {
	one, again, other := testHistory(1, 100), testHistory(1, 100), testHistory(2, 100)
	a := between(one, noon, noon.Add(time.Minute), nil)
	if !slices.Equal(a, between(again, noon, noon.Add(time.Minute), nil)) {
		t.Error("one seed gives two histories")
	}
	if slices.Equal(ids(a), ids(between(other, noon, noon.Add(time.Minute), nil))) {
		t.Error("two seeds give one history")
	}
	for _, p := range a[:100] {
		if string(one.render(nil, p)) != string(again.render(nil, p)) {
			t.Fatal("one Post has two texts")
		}
	}
}

func TestPartitionsAreDisjointAndTheWhole(t *testing.T) {
	h := testHistory(3, 2000)
	for _, st := range streams {
		if !st.posts || st.partitions == 0 {
			continue
		}
		whole := ids(between(h, noon, noon.Add(10*time.Second), st.share(h, 0)))
		var union []uint64
		for partition := 1; partition <= st.partitions; partition++ {
			part := ids(between(h, noon, noon.Add(10*time.Second), st.share(h, partition)))
			fair := len(whole) / st.partitions
			if len(part) < fair/2 || len(part) > fair*3/2 {
				t.Errorf("%s: partition %d has %d of %d Posts", st.name, partition, len(part), len(whole))
			}
			union = append(union, part...)
		}
		slices.Sort(whole)
		slices.Sort(union)
		if !slices.Equal(union, whole) {
			t.Errorf("%s: the partitions are not the whole", st.name)
		}
	}
}

func TestSamplesHaveTheirShares(t *testing.T) {
	h := testHistory(3, 10_000)
	all := len(between(h, noon, noon.Add(30*time.Second), nil))
	for name, share := range map[string]float64{"sample": 0.01, "sample10": 0.1, "firehose_en": 0.34, "firehose_ja": 0.17} {
		st, _ := lookupStream(name)
		got := float64(len(between(h, noon, noon.Add(30*time.Second), st.share(h, 0)))) / float64(all)
		if got < share*0.8 || got > share*1.2 {
			t.Errorf("%s is %.2f %% of the firehose, want %.0f %%", name, 100*got, 100*share)
		}
	}
}

func TestHistoryBegins(t *testing.T) {
	h := testHistory(1, 1)
	all := between(h, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), historyStart.Add(time.Minute), nil)
	if len(all) < 40 || len(all) > 61 {
		t.Errorf("%d Posts in the first minute", len(all))
	}
}

func BenchmarkCursor(b *testing.B) {
	c := testHistory(1, 20_000).deliveries(noon.UnixNano(), nil)
	for b.Loop() {
		c.next(1<<63 - 1)
	}
}
