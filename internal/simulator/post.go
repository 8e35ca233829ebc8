package simulator

import (
	"strconv"
	"sync"
	"time"
)

const (
	templateCount = 512 // a power of two
	idLength      = 19
	createdFormat = "2006-01-02T15:04:05.000Z"
)

// template is the line of a Post with blanks for what differs: its IDs, times
// and topic. All blanks have fixed lengths, so a line is one copy and a few
// short overwrites, and its length is known before it is made. Templates are
// the same for all seeds; the seed chooses among them.
type template struct {
	body    []byte // one JSON object, without the line end
	lang    string
	ids     []int // where the Post's own ID stands in body
	created []int // where its creation stands
	until   []int // where the end of its editing time stands
	topics  []int
	history int // where, in edit_history_tweet_ids, earlier IDs go before its own
	dataEnd int // where the Post itself ends
	subject subject
}

var templates = sync.OnceValue(func() *[templateCount]*template {
	var all [templateCount]*template
	for i := range all {
		all[i] = compose(i)
	}
	return &all
})

// size is the length of the line that render makes for p, without
// matching_rules and line end.
func (h *history) size(p post) int {
	if original, ok := h.edited(p); ok {
		return len(original.template().body) + idLength + len(`","`)
	}
	return len(p.template().body)
}

// data returns p alone, as it stands in the line that render makes.
func (h *history) data(p post) []byte {
	end := h.content(p).template().dataEnd + h.size(p) - len(h.content(p).template().body)
	return h.render(nil, p)[len(`{"data":`):end]
}

// render appends p as one JSON object, without a line end.
func (h *history) render(dst []byte, p post) []byte {
	original, edit := h.edited(p)
	words := p
	if edit {
		words = original
	}
	t := words.template()
	start := len(dst)
	dst = append(dst, t.body[:t.history]...)
	shift := 0
	if edit {
		dst = strconv.AppendUint(dst, original.id(), 10)
		dst = append(dst, `","`...)
		shift = idLength + len(`","`)
	}
	dst = append(dst, t.body[t.history:]...)
	line := dst[start:]
	fill := func(blanks []int, with []byte) {
		for _, at := range blanks {
			if at >= t.history {
				at += shift
			}
			copy(line[at:], with)
		}
	}
	var scratch [32]byte
	fill(t.ids, strconv.AppendUint(scratch[:0], p.id(), 10))
	at := time.Unix(0, p.created).UTC()
	fill(t.created, at.AppendFormat(scratch[:0], createdFormat))
	fill(t.until, at.Add(time.Hour).AppendFormat(scratch[:0], createdFormat))
	fill(t.topics, append(scratch[:0], topics[words.topic()]...))
	return dst
}
