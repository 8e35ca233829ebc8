package simulator

import (
	"math/bits"
	"time"
)

// snowflakeEpoch is the zero of the clock in X's Post IDs, in Unix milliseconds.
const snowflakeEpoch = 1288834974657

// historyStart is when Posts begin: all later IDs have 19 digits.
var historyStart = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)

// history is the firehose as a pure function of a seed and of time.
//
// Time is cut into slots of equal length, counted from the Unix epoch, and each
// holds one Post, created at a drawn moment of its slot and delivered a drawn
// lateness after. So creation follows the count, delivery does not, and both
// orders can be enumerated from any moment. Times are Unix nanoseconds.
type history struct {
	seed        uint64
	slot        int64 // nanoseconds
	maxLateness int64
	editAfter   int64 // slots from a Post to its edit
}

// post is what is drawn for one slot; its text and size follow from bits.
type post struct {
	n         int64
	created   int64
	delivered int64
	bits      uint64
}

func newHistory(seed uint64, rate float64, maxLateness time.Duration) *history {
	slot := max(1, int64(float64(time.Second)/rate))
	return &history{
		seed:        mix(seed + 1),
		slot:        slot,
		maxLateness: int64(maxLateness),
		editAfter:   max(1, int64(20*time.Second)/slot),
	}
}

// post draws the Post of slot n.
func (h *history) post(n int64) post {
	a := mix(h.seed + uint64(n)*0x9e3779b97f4a7c15)
	b := mix(a)
	within, _ := bits.Mul64(a, uint64(h.slot))
	created := n*h.slot + int64(within)
	return post{n: n, created: created, delivered: created + h.lateness(b&0xfffff), bits: b}
}

// lateness turns 20 random bits into a delay: 90 % within 0.3 of the bound, the
// 99th percentile at 0.65 of it, as X publishes (P99 6 to 7 s).
func (h *history) lateness(r uint64) int64 {
	u := float64(r) / (1 << 20)
	var share float64
	switch {
	case u < 0.90:
		share = 0.03 + 0.27*(u/0.90)
	case u < 0.99:
		share = 0.30 + 0.35*((u-0.90)/0.09)
	default:
		share = 0.65 + 0.35*((u-0.99)/0.01)
	}
	return int64(share * float64(h.maxLateness))
}

// id is the Post's snowflake: its creation, and the count to tell those of one
// millisecond apart.
func (p post) id() uint64 {
	ms := p.created/int64(time.Millisecond) - snowflakeEpoch
	return uint64(ms)<<22 | uint64(p.n)&(1<<22-1)
}

// share is the part of the ID's hash from which samples and partitions are
// taken: the same for every seed and every stream.
func (p post) share() uint64 { return mix(p.id()) }

func (p post) templateIndex() int { return int(p.bits >> 20 & (templateCount - 1)) }

func (p post) template() *template { return templates()[p.templateIndex()] }

func (p post) topic() int { return int(p.bits >> 32 & 0xffff * uint64(len(topics)) >> 16) }

// edited returns the Post that p is a later version of.
func (h *history) edited(p post) (post, bool) {
	if !p.wantsEdit() {
		return post{}, false
	}
	original := h.post(p.n - h.editAfter)
	return original, !original.wantsEdit()
}

// wantsEdit is true for one Post in 256; it is an edit unless the Post before
// it in the chain would be one too.
func (p post) wantsEdit() bool { return p.bits>>56 == 0 }

// content returns the Post whose words p has: the edited one's, for an edit
// keeps its author and subject.
func (h *history) content(p post) post {
	if original, ok := h.edited(p); ok {
		return original
	}
	return p
}

// superseded reports whether a later version of p was delivered by a time.
func (h *history) superseded(p post, asOf int64) bool {
	if p.wantsEdit() {
		return false
	}
	edit := h.post(p.n + h.editAfter)
	return edit.wantsEdit() && edit.delivered <= asOf
}

// slotAfter is the first slot with no Post created before a time.
func (h *history) slotAfter(to int64) int64 { return to/h.slot + 1 }

// createdAt is the time of creation that an ID tells.
func createdAt(id uint64) time.Time {
	return time.UnixMilli(int64(id>>22) + snowflakeEpoch).UTC()
}

// find returns the Post of an ID.
func (h *history) find(id uint64) (post, bool) {
	from := createdAt(id)
	for n := from.UnixNano() / h.slot; n*h.slot < from.Add(time.Millisecond).UnixNano(); n++ {
		if p := h.post(n); p.id() == id {
			return p, true
		}
	}
	return post{}, false
}

// wordings is how many different texts there are: one for each template and topic.
const wordings = templateCount * len(topics)

// wording says which of them p has.
func (h *history) wording(p post) int {
	words := h.content(p)
	return words.templateIndex()*len(topics) + words.topic()
}

// documentOf is what can be asked about the Posts of a wording.
func documentOf(wording int) *document {
	return newDocument(templates()[wording/len(topics)].subject, topics[wording%len(topics)])
}

// cursor enumerates Posts in order of delivery. It looks at each slot once and
// remembers at most the Posts that are created and not yet delivered.
type cursor struct {
	history *history
	keep    func(post) bool // nil keeps all
	slot    int64           // the first slot not looked at
	from    int64           // deliveries before it are left out
	due     []post          // heap by delivery
}

// deliveries returns a cursor at the first Post delivered at or after from.
func (h *history) deliveries(from int64, keep func(post) bool) *cursor {
	from = max(from, historyStart.UnixNano())
	first := max(from-h.maxLateness, historyStart.UnixNano())
	return &cursor{history: h, keep: keep, slot: first/h.slot - 1, from: from}
}

// peek returns the next Post if it is delivered before until.
func (c *cursor) peek(until int64) (post, bool) {
	for {
		// Nothing of a later slot can be delivered before that slot begins.
		begins := c.slot * c.history.slot
		if len(c.due) > 0 && c.due[0].delivered <= begins {
			break
		}
		if begins >= until {
			break
		}
		p := c.history.post(c.slot)
		c.slot++
		if p.delivered >= c.from && (c.keep == nil || c.keep(p)) {
			c.push(p)
		}
	}
	if len(c.due) == 0 || c.due[0].delivered >= until {
		return post{}, false
	}
	return c.due[0], true
}

// next is peek that moves on.
func (c *cursor) next(until int64) (post, bool) {
	p, ok := c.peek(until)
	if ok {
		c.pop()
	}
	return p, ok
}

// before orders by delivery; the count decides between equals, so that the
// order is a function of the history.
func (p post) before(q post) bool {
	return p.delivered < q.delivered || p.delivered == q.delivered && p.n < q.n
}

func (c *cursor) push(p post) {
	c.due = append(c.due, p)
	for i := len(c.due) - 1; i > 0; {
		parent := (i - 1) / 2
		if !c.due[i].before(c.due[parent]) {
			return
		}
		c.due[i], c.due[parent] = c.due[parent], c.due[i]
		i = parent
	}
}

func (c *cursor) pop() {
	last := len(c.due) - 1
	c.due[0] = c.due[last]
	c.due = c.due[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if c.due[child].before(c.due[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		c.due[i], c.due[least] = c.due[least], c.due[i]
		i = least
	}
}

// mix is the finalizer of SplitMix64: every bit of x changes half of the result.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
