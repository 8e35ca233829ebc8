package xapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// memory is one end of a connection in memory, with room for what was sent
// and not yet read. It works in a testing/synctest bubble.
type memory struct {
	in, out *stretch
}

// stretch is one direction of a memory.
type stretch struct {
	mu       sync.Mutex
	changed  *sync.Cond
	bytes    []byte
	end      error // after the bytes; nil: not ended
	deadline time.Time
	timer    *time.Timer
}

func newStretch() *stretch {
	s := &stretch{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func newMemory() (client, server *memory) {
	a, b := newStretch(), newStretch()
	return &memory{in: a, out: b}, &memory{in: b, out: a}
}

func (m *memory) Read(p []byte) (int, error) {
	s := m.in
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.bytes) == 0 && s.end == nil {
		if !s.deadline.IsZero() && !time.Now().Before(s.deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		s.changed.Wait()
	}
	if len(s.bytes) == 0 {
		return 0, s.end
	}
	n := copy(p, s.bytes)
	s.bytes = s.bytes[n:]
	return n, nil
}

func (m *memory) Write(p []byte) (int, error) {
	s := m.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return 0, syscall.EPIPE
	}
	s.bytes = append(s.bytes, p...)
	s.changed.Broadcast()
	return len(p), nil
}

func (s *stretch) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.end = err
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.changed.Broadcast()
}

func (m *memory) Close() error {
	m.in.finish(net.ErrClosed)
	m.out.finish(io.EOF)
	return nil
}

// reset ends the connection as a RST does.
func (m *memory) reset() {
	m.in.finish(net.ErrClosed)
	m.out.finish(syscall.ECONNRESET)
}

func (m *memory) SetReadDeadline(t time.Time) error {
	s := m.in
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(time.Until(t), s.changed.Broadcast)
	return nil
}

func (*memory) SetWriteDeadline(time.Time) error { return nil }
func (*memory) SetDeadline(time.Time) error      { return nil }
func (*memory) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*memory) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// served is what a fake X has to answer one request.
type served struct {
	*memory
	request *http.Request
}

// say writes text as it stands there.
func (s served) say(format string, args ...any) { fmt.Fprintf(s, format, args...) }

// chunk writes one chunk of a chunked response.
func (s served) chunk(text string) { s.say("%x\r\n%s\r\n", len(text), text) }

// hang waits until the client is gone.
func (s served) hang() { io.Copy(io.Discard, s) }

const okChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// fakeX dials to a server that answers each connection's first request with
// the next script, the last one again and again, and then closes it.
func fakeX(scripts ...func(served)) func(context.Context, string, string) (net.Conn, error) {
	var mu sync.Mutex
	return func(context.Context, string, string) (net.Conn, error) {
		mu.Lock()
		script := scripts[0]
		if len(scripts) > 1 {
			scripts = scripts[1:]
		}
		mu.Unlock()
		client, server := newMemory()
		go func() {
			defer server.Close()
			req, err := http.ReadRequest(bufio.NewReader(server))
			if err == nil {
				script(served{server, req})
			}
		}()
		return client, nil
	}
}

// answering is a fake X with one HTTP response.
func answering(response string) func(context.Context, string, string) (net.Conn, error) {
	return fakeX(func(s served) { io.WriteString(s, response) })
}

const secretToken = "AAAAsecret-token"

// testConfig is a config that works, with a fake X.
func testConfig(dial func(context.Context, string, string) (net.Conn, error)) Config {
	return Config{BaseURL: "http://127.0.0.1:8080", Credentials: BearerToken(secretToken), Dial: dial}
}

var filtered, _ = Lookup("filtered")

// mustOpen opens the filtered stream.
func mustOpen(t *testing.T, cfg Config) *Connection {
	t.Helper()
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.Open(t.Context(), Request{Stream: filtered})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// mustFail expects the filtered stream not to open.
func mustFail(t *testing.T, cfg Config) *Problem {
	t.Helper()
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.Open(t.Context(), Request{Stream: filtered})
	if err == nil {
		conn.Close()
		t.Fatal("opened, want a problem")
	}
	return asProblem(t, err)
}

// asProblem checks what holds for each Problem.
func asProblem(t *testing.T, err error) *Problem {
	t.Helper()
	p, ok := err.(*Problem)
	if !ok {
		t.Fatalf("%T %v, want a *Problem", err, err)
	}
	for _, text := range []string{p.Error(), p.Title, p.Detail, p.Type, p.Advice} {
		if strings.Contains(text, secretToken) || strings.ContainsAny(text, "\r\n\x00") || len(text) > 1000 {
			t.Errorf("%q is no clean, short line without secrets", text)
		}
	}
	if p.Reason == "" || p.Error() == "" {
		t.Errorf("%#v says nothing", p)
	}
	return p
}

// readAll reads lines until the connection ends.
func readAll(t *testing.T, c *Connection) ([]string, *Problem) {
	t.Helper()
	var lines []string
	for {
		got, err := c.ReadLines(nil, 3)
		for _, line := range got {
			lines = append(lines, string(line))
		}
		if err != nil {
			return lines, asProblem(t, err)
		}
	}
}

// stallsIn says for which reads the process stood still.
type stallsIn func(since time.Time) bool

func (s stallsIn) StalledSince(t time.Time) bool { return s(t) }
