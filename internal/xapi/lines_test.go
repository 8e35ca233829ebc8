package xapi

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// collect reads all lines of r, a few at a time, and how it ended.
func collect(r io.Reader, maxLine, atOnce int) (lines []string, oversized int64, unfinished bool, err error) {
	l := newLineReader(r, maxLine)
	var dst [][]byte
	for {
		dst, err = l.lines(dst[:0], atOnce)
		for _, line := range dst {
			lines = append(lines, string(line))
		}
		if err != nil {
			return lines, l.oversized.Load(), l.unfinished(), err
		}
	}
}

func TestLines(t *testing.T) {
	tests := []struct {
		name       string
		in         string
		want       []string
		oversized  int64
		unfinished bool
	}{
		{name: "nothing"},
		{name: "both ends", in: "a\nb\r\n", want: []string{"a", "b"}},
		{name: "heartbeats", in: "\r\n\n  \t\r\na\n\r\r\n", want: []string{"", "", "", "a", ""}},
		{name: "unfinished", in: "a\nb", want: []string{"a"}, unfinished: true},
		{name: "unfinished before the last byte", in: "a\r\nb\r", want: []string{"a"}, unfinished: true},
		{name: "carriage returns inside", in: "a\rb\r\r\n", want: []string{"a\rb\r"}},
		{name: "NUL and UTF-8", in: "\x00\x00\n日本\xff\n", want: []string{"\x00\x00", "日本\xff"}},
		{name: "white space around text", in: "  a \n", want: []string{"  a "}},
		{name: "longest", in: "12345678\n12345678\r\n", want: []string{"12345678", "12345678"}},
		{name: "too long", in: "123456789\na\n123456789\r\nb\n", want: []string{"a", "b"}, oversized: 2},
		{name: "too long by a carriage return", in: "12345678\r\r\na\n", want: []string{"a"}, oversized: 1},
		{name: "much too long", in: strings.Repeat("x", 300_000) + "\na\n", want: []string{"a"}, oversized: 1},
		{name: "too long and unfinished", in: "a\n1234567890", want: []string{"a"}, oversized: 1, unfinished: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"at once":        strings.NewReader(test.in),
				"by the byte":    iotest.OneByteReader(strings.NewReader(test.in)),
				"with its error": iotest.DataErrReader(strings.NewReader(test.in)),
			} {
				for _, atOnce := range []int{1, 100} {
					got, oversized, unfinished, err := collect(r, 8, atOnce)
					if !slices.Equal(got, test.want) || oversized != test.oversized || unfinished != test.unfinished || err != io.EOF {
						t.Errorf("%s: %q, %d oversized, unfinished %t, %v", name, got, oversized, unfinished, err)
					}
					r = strings.NewReader(test.in)
				}
			}
		})
	}
}

func TestLinesReturnsWhatCameBeforeAnError(t *testing.T) {
	broken := errors.New("broken")
	l := newLineReader(io.MultiReader(strings.NewReader("a\nb\nc"), iotest.ErrReader(broken)), 8)
	lines, err := l.lines(nil, 100)
	if len(lines) != 2 || err != nil {
		t.Fatalf("%q, %v", lines, err)
	}
	for range 2 {
		if lines, err = l.lines(nil, 100); len(lines) != 0 || err != broken {
			t.Fatalf("%q, %v", lines, err)
		}
	}
}

func TestLinesGivesUpOnAReaderThatReturnsNothing(t *testing.T) {
	if _, err := newLineReader(silent{}, 8).lines(nil, 1); err != io.ErrNoProgress {
		t.Error(err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestLinesBufferGrowsAndShrinks(t *testing.T) {
	const max = 1 << 20
	long := strings.Repeat("x", max) + "\r\n"
	l := newLineReader(iotest.OneByteReader(strings.NewReader(strings.Repeat("a\n", 1000))), max)
	l.r = io.MultiReader(strings.NewReader(long), l.r)
	lines, err := l.lines(nil, 1)
	if err != nil || len(lines[0]) != max {
		t.Fatal(len(lines), err)
	}
	if len(l.buf) > max+2 {
		t.Errorf("the buffer of a line of %d bytes has %d", max, len(l.buf))
	}
	for range 100 {
		if _, err := l.lines(nil, 1); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.buf) != initialBufferBytes {
		t.Errorf("the buffer keeps %d bytes", len(l.buf))
	}
}

// FuzzLines cuts the same bytes in any way and expects what bytes.Split says.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\n\r\nbc\n12345\nxyz"), []byte{1, 2, 3}, 4)
	f.Add([]byte("123456\n\n\n123456\r\n"), []byte{200, 1}, 5)
	f.Add(bytes.Repeat([]byte("0123456789\n"), 50), []byte{7}, 10)
	f.Fuzz(func(t *testing.T, in, cuts []byte, max int) {
		if max < 0 || max > 1<<20 {
			return
		}
		var want []string
		var tooLong int64
		pieces := bytes.Split(in, []byte("\n"))
		last := pieces[len(pieces)-1]
		for _, line := range pieces[:len(pieces)-1] {
			line = bytes.TrimSuffix(line, []byte("\r"))
			switch {
			case len(line) > max:
				tooLong++
			case len(bytes.Trim(line, " \t\r")) == 0:
				want = append(want, "")
			default:
				want = append(want, string(line))
			}
		}
		if len(last) > max+1 {
			tooLong++
		}
		got, oversized, unfinished, err := collect(&chopped{in: in, cuts: cuts}, max, 1+len(cuts)%5)
		if !slices.Equal(got, want) || oversized != tooLong || unfinished != (len(last) > 0) || err != io.EOF {
			t.Errorf("%q in %v: %q, %d oversized, unfinished %t, %v; want %q, %d", in, cuts, got, oversized, unfinished, err, want, tooLong)
		}
	})
}

// chopped returns as many bytes at a time as its cuts say.
type chopped struct {
	in, cuts []byte
	n        int
}

func (c *chopped) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	size := len(c.in)
	if len(c.cuts) > 0 {
		size = int(c.cuts[c.n%len(c.cuts)]) + 1
		c.n++
	}
	n := copy(p, c.in[:min(size, len(c.in))])
	c.in = c.in[n:]
	return n, nil
}
