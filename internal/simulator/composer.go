package simulator

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"
)

// composer writes a template, noting its blanks.
type composer struct {
	*template
	*rand.Rand
	ascii bool // escape all that is not ASCII, surrogate pairs included
}

func pick[T any](c *composer, of []T) T { return of[c.IntN(len(of))] }

func (c *composer) letters(n int) string {
	const from = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = from[c.IntN(len(from))]
	}
	return string(b)
}

func (c *composer) raw(s string) *composer {
	c.body = append(c.body, s...)
	return c
}

func (c *composer) num(n int) *composer   { return c.raw(strconv.Itoa(n)) }
func (c *composer) bool(b bool) *composer { return c.raw(strconv.FormatBool(b)) }

// comma writes one before every element but the first.
func (c *composer) comma(i int) *composer {
	if i > 0 {
		c.raw(",")
	}
	return c
}

// blank leaves n characters to be filled in and notes where.
func (c *composer) blank(at *[]int, n int) *composer {
	*at = append(*at, len(c.body))
	return c.raw(strings.Repeat("0", n))
}

func (c *composer) ownID() *composer { return c.blank(&c.ids, idLength) }

// str writes a JSON string. Topic marks become blanks.
func (c *composer) str(s string) *composer {
	c.raw(`"`)
	for i, part := range strings.Split(s, topicMark) {
		if i > 0 {
			c.blank(&c.topics, topicLength)
		}
		for _, r := range part {
			c.char(r)
		}
	}
	return c.raw(`"`)
}

func (c *composer) char(r rune) {
	switch {
	case r == '"' || r == '\\':
		c.body = append(c.body, '\\', byte(r))
	case r == '\n':
		c.raw(`\n`)
	case r == '\r':
		c.raw(`\r`)
	case r == '\t':
		c.raw(`\t`)
	case r < ' ' || r == 0x2028:
		c.body = fmt.Appendf(c.body, `\u%04x`, r)
	case c.ascii && r == '/':
		c.raw(`\/`)
	case c.ascii && r > 0xffff:
		r -= 0x10000
		c.body = fmt.Appendf(c.body, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	case c.ascii && r > '~':
		c.body = fmt.Appendf(c.body, `\u%04x`, r)
	default:
		c.body = utf8.AppendRune(c.body, r)
	}
}
