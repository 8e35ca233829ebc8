package e2e

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// A line of the output is, byte for byte, the line that X sent.
func TestLinesPassUnchanged(t *testing.T) {
	x := startX(t, simulator.Config{Rate: 300})
	p := startProcess(t, x, "bearer_token: "+token)
	x.firstOpened()
	sent := x.read(1000)
	p.delivers(0, 30*time.Second)
	time.Sleep(time.Second)
	p.stop(syscall.SIGTERM)

	compared := 0
	p.eachLine(func(id uint64, line []byte) {
		want, ok := sent[id]
		if !ok {
			return
		}
		compared++
		if got := bytes.TrimSuffix(line, []byte("\n")); !bytes.Equal(got, want) {
			t.Fatalf("Post %d is\n%s\nand X sent\n%s", id, got, want)
		}
	})
	if compared < len(sent)*9/10 {
		t.Errorf("%d of %d Posts that X sent are in the output", compared, len(sent))
	}
}

// read takes so many Posts from a connection of its own, without the code that
// is tested.
func (x *fakeX) read(posts int) map[uint64][]byte {
	x.Helper()
	ctx, cancel := context.WithTimeout(x.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.url+"/2/tweets/search/stream", nil)
	if err != nil {
		x.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		x.Fatal(err)
	}
	defer res.Body.Close()
	sent := map[uint64][]byte{}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for len(sent) < posts && lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue // a heartbeat
		}
		id, err := postID(lines.Bytes())
		if err != nil {
			x.Fatalf("X sent %q: %v", lines.Bytes(), err)
		}
		sent[id] = bytes.Clone(lines.Bytes())
	}
	if len(sent) < posts {
		x.Fatalf("%d Posts came: %v", len(sent), lines.Err())
	}
	return sent
}
