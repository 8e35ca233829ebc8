package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// postsFile reads what the demo's pipeline has written: the verdict rests on
// the output, not on what anybody counted on the way there.
type postsFile struct {
	path string
	file *os.File
	tail []byte // an unfinished last line
	seen map[uint64]int
}

// read takes in the lines that were written since the last call.
func (p *postsFile) read() error {
	b, err := io.ReadAll(p.file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", p.path, err)
	}
	b = append(p.tail, b...)
	for {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			p.tail = b
			return nil
		}
		if err := p.line(line); err != nil {
			return fmt.Errorf("reading %s: %w", p.path, err)
		}
		b = rest
	}
}

func (p *postsFile) line(line []byte) error {
	var post struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(line, &post); err != nil {
		return err
	}
	id, err := strconv.ParseUint(post.Data.ID, 10, 64)
	if err != nil {
		return errors.New("a line without a Post ID")
	}
	p.seen[id]++
	return nil
}

func (p *postsFile) has(id uint64) bool { return p.seen[id] > 0 }

// repeated is the number of lines beyond the first of each Post.
func (p *postsFile) repeated() int {
	n := 0
	for _, times := range p.seen {
		n += times - 1
	}
	return n
}

// Close ends the reading; the file stays for the user to look at.
func (p *postsFile) Close() error { return p.file.Close() }
