package simulator

import (
	"encoding/base32"
	"encoding/binary"
	"hash/fnv"
	"io"
	"strings"
	"time"
)

// position is where in a search a page begins.
type position struct {
	searched
	below int64 // the page has Posts of lower slots
	asOf  int64 // the Posts delivered by then can be found, in Unix nanoseconds
}

// has reports whether the search chooses from p, wherever the page begins.
func (at position) has(p post) bool {
	id := p.id()
	return p.created >= at.from && p.created < at.to && id > at.since && (at.until == 0 || id < at.until) && p.delivered <= at.asOf
}

var tokenEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// token is the position as X's next_token, for the search of a fingerprint.
func (at position) token(fingerprint uint64) string {
	var b []byte
	for _, n := range []int64{at.from, at.to, at.below, at.asOf, int64(fingerprint)} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return strings.ToLower(tokenEncoding.EncodeToString(b))
}

// position reads where a page begins: where the token says, or below a slot.
func (p *parameters) position(chosen searched, below int64, now time.Time) position {
	for _, name := range []string{"next_token", "pagination_token"} {
		if !p.Has(name) {
			continue
		}
		b, err := tokenEncoding.DecodeString(strings.ToUpper(p.Get(name)))
		if err != nil || len(b) != 40 || binary.BigEndian.Uint64(b[32:]) != p.fingerprint() {
			p.refuse(name, "Invalid '%s': it is not of a search with these parameters", name)
			return position{}
		}
		word := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
		chosen.from, chosen.to = word(0), word(1)
		return position{searched: chosen, below: word(2), asOf: word(3)}
	}
	return position{searched: chosen, below: below, asOf: now.UnixNano()}
}

// fingerprint tells searches apart that a token must not be carried between.
func (p *parameters) fingerprint() uint64 {
	h := fnv.New64a()
	for _, name := range []string{"query", "start_time", "end_time", "since_id", "until_id"} {
		io.WriteString(h, p.Get(name)+"\x00") // a hash takes all
	}
	return h.Sum64()
}
