package xapi

import (
	"bytes"
	"encoding/json"
)

// object walks the members of a JSON object without decoding it, so that
// finding one member costs no more than passing those before it. It stops
// where the bytes are not JSON, but does not look for that inside of values
// which it passes.
type object struct {
	b     []byte
	i     int  // at a member's value while that is pending, else behind one
	began bool // the opening brace is passed
	// pending says that the value of the last member is still to be passed.
	pending bool
}

// next moves to the next member and returns its name.
func (o *object) next() (name []byte, ok bool) {
	if o.pending {
		o.value()
	}
	open := byte(',')
	if !o.began {
		open, o.began = '{', true
	}
	i := skipSpace(o.b, o.i)
	if i >= len(o.b) || o.b[i] != open {
		return nil, false
	}
	start := skipSpace(o.b, i+1)
	end := skipString(o.b, start)
	if end < 0 {
		return nil, false
	}
	i = skipSpace(o.b, end)
	if i >= len(o.b) || o.b[i] != ':' {
		return nil, false
	}
	o.i, o.pending = skipSpace(o.b, i+1), true
	return unquote(o.b[start:end])
}

// value returns the member's value as it stands there; nil where it is cut.
func (o *object) value() []byte {
	start := o.i
	o.pending = false
	o.i = skipValue(o.b, start)
	if o.i < 0 {
		o.i = len(o.b)
		return nil
	}
	return o.b[start:o.i]
}

// members walks the member's value, if that is an object.
func (o *object) members() object { return object{b: o.b, i: o.i} }

// find returns the value at a path of member names; nil: there is none.
func find(b []byte, path ...string) []byte {
	o := object{b: b}
	return o.find(path...)
}

func (o *object) find(path ...string) []byte {
	at := *o
	for depth, want := range path {
		for {
			name, ok := at.next()
			if !ok {
				return nil
			}
			if string(name) == want {
				break
			}
		}
		if depth < len(path)-1 {
			at = at.members()
		}
	}
	return at.value()
}

// text returns what a JSON string says, or a number as it stands there;
// nil for anything else.
func text(value []byte) []byte {
	switch {
	case len(value) == 0:
		return nil
	case value[0] == '"':
		s, _ := unquote(value)
		return s
	case value[0] == '-' || '0' <= value[0] && value[0] <= '9':
		return value
	}
	return nil
}

// unquote returns what a quoted string says, aliasing it where it can.
func unquote(quoted []byte) ([]byte, bool) {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return nil, false
	}
	return []byte(s), true
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i; -1: there
// is none.
func skipString(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		escapes := 0
		for escapes < n && b[i+n-1-escapes] == '\\' {
			escapes++
		}
		i += n
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// skipValue returns the index behind the value that begins at i; -1: it is
// cut, or there is none.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth--; depth < 0 {
				return -1
			}
			i++
		default:
			if depth == 0 {
				return skipLiteral(b, i)
			}
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

// skipLiteral returns the index behind a number, true, false or null.
func skipLiteral(b []byte, i int) int {
	start := i
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
