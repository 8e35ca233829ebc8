package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// serveVariable is the environment variable that turns the test binary into a
// server; its value is what to serve. A process of its own keeps the server
// out of what is measured: CPU time, allocations and garbage collections.
const serveVariable = "XCONNECT_BENCH_SERVE"

const (
	serveNew      = "new"      // Posts that never were there before, for ever
	serveRepeated = "repeated" // repeatedPosts Posts, again and again
	// A number: so many variedPosts that never were there before, and then
	// heartbeats.
)

// heartbeat is less than x_stream waits for a byte.
const heartbeat = 10 * time.Second

// repeatedPosts is the number of different Posts of serveRepeated.
const repeatedPosts = 32 * blockPosts

func TestMain(m *testing.M) {
	if what := os.Getenv(serveVariable); what != "" {
		if err := serve(what); err != nil {
			fmt.Fprintln(os.Stderr, "serving Posts:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve answers each request with one endless response. It prints the URL and
// ends with its standard input.
func serve(what string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { stream(w, what) })}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	fmt.Printf("http://%s\n", l.Addr())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// stream writes Posts as fast as the reader takes them. It frames the chunks
// itself: net/http would copy each into a buffer.
func stream(w http.ResponseWriter, what string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nDate: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
		time.Now().UTC().Format(http.TimeFormat))
	blocks := []*block{newBlock(uniformPosts())}
	wanted := math.MaxInt
	if what == serveRepeated {
		blocks = repeated()
	} else if posts, err := strconv.Atoi(what); err == nil {
		blocks = []*block{newBlock(variedPosts())}
		wanted = posts / blockPosts
	}
	var last uint64
	for i := 0; err == nil && i < wanted; i++ {
		b := blocks[i%len(blocks)]
		if what != serveRepeated {
			last = b.number(time.Now(), last)
		}
		_, err = conn.Write(b.bytes)
	}
	for ; err == nil; time.Sleep(heartbeat) {
		_, err = fmt.Fprint(conn, "2\r\n\r\n\r\n")
	}
}

func repeated() []*block {
	var last uint64
	blocks := make([]*block, repeatedPosts/blockPosts)
	for i := range blocks {
		blocks[i] = newBlock(uniformPosts())
		last = blocks[i].number(time.Now(), last)
	}
	return blocks
}

// startServer runs a server in a process of its own until the end of the test
// and returns its URL.
func startServer(tb testing.TB, what string) string {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	ctx, kill := context.WithTimeout(context.Background(), time.Hour)
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), serveVariable+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		defer kill()
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			tb.Errorf("server of %s Posts: %v", what, err)
		}
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("server of %s Posts: %v", what, err)
	}
	return strings.TrimSpace(url)
}
