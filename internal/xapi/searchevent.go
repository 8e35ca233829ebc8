package xapi

import (
	"bytes"
	"encoding/json"
)

// SearchEvent is a Post that a search found, with what of its page belongs to
// it.
type SearchEvent struct {
	Snowflake uint64 // the Post's ID
	Created   int64  // when it was created, in Unix ms
	Data      []byte // the Post, byte for byte as X sent it

	includes []include
	errors   []json.RawMessage
}

// include is one member of an event's includes.
type include struct {
	name     string
	elements []json.RawMessage
}

// Line returns the event as the filtered stream would have sent it, as one
// line without an end, with the rules that found it. A rule without a tag has
// an empty one there.
func (e SearchEvent) Line(rules []Rule) []byte {
	var b bytes.Buffer
	b.WriteString(`{"data":`)
	b.Write(e.Data)
	if len(e.errors) > 0 {
		b.WriteString(`,"errors":`)
		writeList(&b, e.errors)
	}
	for i, in := range e.includes {
		b.WriteString(opening(i, `,"includes":{`))
		writeText(&b, in.name)
		b.WriteByte(':')
		writeList(&b, in.elements)
	}
	if len(e.includes) > 0 {
		b.WriteByte('}')
	}
	b.WriteString(`,"matching_rules":[`)
	for i, r := range rules {
		b.WriteString(opening(i, ""))
		b.WriteString(`{"id":`)
		writeText(&b, r.ID)
		b.WriteString(`,"tag":`)
		writeText(&b, r.Tag)
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
	return oneLine(b.Bytes())
}

// opening is what stands before the element i of a list or an object.
func opening(i int, first string) string {
	if i == 0 {
		return first
	}
	return ","
}

func writeList(b *bytes.Buffer, elements []json.RawMessage) {
	for i, e := range elements {
		b.WriteString(opening(i, "["))
		b.Write(e)
	}
	b.WriteByte(']')
}

// writeText writes a JSON string, with <, > and & as they are, for X writes
// them so.
func writeText(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string has a JSON form, and a Buffer takes it
	b.Truncate(b.Len() - 1)
}

// oneLine takes line breaks out of JSON. X sends none, but a line that had
// one would be two.
func oneLine(b []byte) []byte {
	if !bytes.ContainsAny(b, "\r\n") {
		return b
	}
	var line bytes.Buffer
	if json.Compact(&line, b) != nil {
		return b
	}
	return line.Bytes()
}
