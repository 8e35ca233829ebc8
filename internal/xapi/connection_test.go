package xapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestConnectionEndings(t *testing.T) {
	tests := []struct {
		name   string
		script func(served)
		lines  []string
		reason string
		cause  error
	}{
		{"clean", func(s served) { s.say(okChunked); s.chunk("a\r\n\r\nb\r\n"); s.say("0\r\n\r\n") }, []string{"a", "", "b"}, "clean_end", io.EOF},
		{"clean, inside a line", func(s served) { s.say(okChunked); s.chunk("a\r\nb"); s.say("0\r\n\r\n") }, []string{"a"}, "cut_line", io.ErrUnexpectedEOF},
		{"cut between chunks", func(s served) { s.say(okChunked); s.chunk("a\r\n") }, []string{"a"}, "cut", io.ErrUnexpectedEOF},
		{"cut inside a chunk", func(s served) { s.say(okChunked + "ff\r\na\r\nb") }, []string{"a"}, "cut", io.ErrUnexpectedEOF},
		{"cut before the first byte", func(s served) { s.say(okChunked) }, nil, "cut", io.ErrUnexpectedEOF},
		{"cut inside a known length", func(s served) { s.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na\r\nb") }, []string{"a"}, "cut", io.ErrUnexpectedEOF},
		{"without a length", func(s served) { s.say("HTTP/1.1 200 OK\r\n\r\na\r\nb\n") }, []string{"a", "b"}, "clean_end", io.EOF},
		{"without a length, inside a line", func(s served) { s.say("HTTP/1.1 200 OK\r\n\r\na\r\nb") }, []string{"a"}, "cut_line", io.ErrUnexpectedEOF},
		{"reset", func(s served) { s.say(okChunked); s.chunk("a\r\nb"); s.reset() }, []string{"a"}, "reset", nil},
		{"chunks that are none", func(s served) { s.say(okChunked); s.chunk("a\r\nb"); s.say("zz\r\n") }, []string{"a"}, "malformed_response", nil},
		{"stall", func(s served) { s.say(okChunked); s.chunk("a\r\n"); s.hang() }, []string{"a"}, "heartbeat_timeout", errHeartbeatTimeout},
		{"trickle", func(s served) {
			s.say(okChunked)
			for _, b := range "a\r\n" + strings.Repeat("x", 10) {
				time.Sleep(20 * time.Second)
				s.chunk(string(b))
			}
		}, []string{"a"}, "cut", io.ErrUnexpectedEOF},
		{"only heartbeats", func(s served) {
			s.say(okChunked)
			for range 3 {
				time.Sleep(20 * time.Second)
				s.chunk("\r\n")
			}
			s.hang()
		}, []string{"", "", ""}, "heartbeat_timeout", errHeartbeatTimeout},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := mustOpen(t, testConfig(fakeX(test.script)))
				lines, p := readAll(t, conn)
				if !slices.Equal(lines, test.lines) || p.Reason != test.reason || p.Class != Network || !p.Sent {
					t.Errorf("%q, then %s %v %v; want %q, then %s", lines, p.Reason, p.Class, p, test.lines, test.reason)
				}
				if test.cause != nil && !errors.Is(p, test.cause) {
					t.Errorf("%v is not %v", p, test.cause)
				}
				if _, again := conn.ReadLines(nil, 1); again != error(p) {
					t.Errorf("another error at the next read: %v", again)
				}
				if test.reason == "heartbeat_timeout" && time.Since(conn.Opened())%(20*time.Second) != 5*time.Second {
					t.Errorf("left after %s", time.Since(conn.Opened()))
				}
			})
		})
	}
}

func TestConnectionTellsProofOnceAllThatCameIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := mustOpen(t, testConfig(fakeX(func(s served) {
			s.say(okChunked)
			for range 3 {
				time.Sleep(10 * time.Second)
				s.chunk("a\r\nb\r\n")
			}
		})))
		var proofs []time.Duration
		conn.OnProof(func(at time.Time) { proofs = append(proofs, at.Sub(conn.Opened())) })
		expect := func(line string, want ...time.Duration) {
			t.Helper()
			lines, err := conn.ReadLines(nil, 1)
			if err != nil || string(lines[0]) != line {
				t.Fatalf("%q, %v, want %q", lines, err, line)
			}
			if !slices.Equal(proofs, want) {
				t.Errorf("at line %s the proofs are %v, want %v", line, proofs, want)
			}
		}
		expect("a")
		expect("b")                  // was there with a: nothing new is known
		time.Sleep(15 * time.Second) // the second pair lies there for five
		expect("a", 10*time.Second)
		expect("b", 10*time.Second)
		expect("a", 10*time.Second) // what lay there proved nothing more
		expect("b", 10*time.Second)
		if _, err := conn.ReadLines(nil, 1); err == nil {
			t.Fatal("no end")
		}
		if want := []time.Duration{10 * time.Second, 30 * time.Second}; !slices.Equal(proofs, want) {
			t.Errorf("at the end the proofs are %v, want %v", proofs, want)
		}
	})
}

func TestConnectionReaderAwayIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := mustOpen(t, testConfig(fakeX(func(s served) {
			s.say(okChunked)
			s.chunk("a\r\n")
			time.Sleep(time.Minute)
			s.chunk("b\r\n")
			s.hang()
		})))
		for range 2 {
			time.Sleep(10 * time.Minute)
			if _, err := conn.ReadLines(nil, 10); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestConnectionMaxLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := mustOpen(t, testConfig(answering(okChunked+"c\r\na\nb\nc\nd\ne\nf\r\n0\r\n\r\n")))
		for _, want := range []string{"a b", "c d", "e"} {
			lines, err := conn.ReadLines(nil, 2)
			if got := string(bytes.Join(lines, []byte(" "))); got != want || err != nil {
				t.Fatalf("%q, %v; want %q", got, err, want)
			}
		}
	})
}

func TestConnectionOversized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(fakeX(func(s served) {
			s.say(okChunked)
			s.chunk("a\n" + strings.Repeat("x", 100_000))
			s.chunk("\nb\n")
			s.say("0\r\n\r\n")
		}))
		cfg.MaxLineBytes = 1000
		conn := mustOpen(t, cfg)
		lines, p := readAll(t, conn)
		if !slices.Equal(lines, []string{"a", "b"}) || conn.Oversized() != 1 || p.Reason != "clean_end" {
			t.Errorf("%q, %d oversized, %v", lines, conn.Oversized(), p)
		}
	})
}

func TestConnectionClose(t *testing.T) {
	end := map[string]func(*Connection, context.CancelFunc){
		"by Close":   func(c *Connection, _ context.CancelFunc) { c.Close() },
		"by context": func(_ *Connection, cancel context.CancelFunc) { cancel() },
	}
	for name, end := range end {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gone := make(chan error, 1)
				client, err := NewClient(testConfig(fakeX(func(s served) {
					s.say(okChunked)
					_, err := s.Read(make([]byte, 1))
					gone <- err
				})))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				conn, err := client.Open(ctx, Request{Stream: filtered})
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(time.Second, func() { end(conn, cancel) })
				_, err = conn.ReadLines(nil, 1)
				p := asProblem(t, err)
				if p.Reason != "closed" || time.Since(conn.Opened()) != time.Second {
					t.Errorf("%s: %v after %s", p.Reason, p, time.Since(conn.Opened()))
				}
				if !errors.Is(p, net.ErrClosed) && !errors.Is(p, context.Canceled) {
					t.Errorf("%v tells not who closed it", p)
				}
				for range 2 {
					if err := conn.Close(); err != nil {
						t.Error(err)
					}
				}
				if err := <-gone; err != io.EOF {
					t.Errorf("X sees %v, want the end", err)
				}
			})
		})
	}
}

func TestConnectionSkewAndLimits(t *testing.T) {
	for _, test := range []struct {
		ahead, want time.Duration
	}{
		{0, 0}, {time.Second, 0}, {-2 * time.Second, 0}, {time.Hour, time.Hour}, {-90 * time.Second, -90 * time.Second}, {4 * time.Second, 4 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(700 * time.Millisecond)
			date := time.Now().Add(test.ahead).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
			conn := mustOpen(t, testConfig(answering("HTTP/1.1 200 OK\r\nDate: "+date+
				"\r\nx-rate-limit-limit: 50\r\nx-rate-limit-remaining: 49\r\nx-rate-limit-reset: 1784927565\r\n\r\n")))
			if conn.Skew() != test.want {
				t.Errorf("X %s ahead: skew %s, want %s", test.ahead, conn.Skew(), test.want)
			}
			if want := (Limits{Limit: 50, Remaining: 49, Reset: time.Unix(1784927565, 0), Known: true}); conn.Limits() != want {
				t.Errorf("limits %+v, want %+v", conn.Limits(), want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		conn := mustOpen(t, testConfig(answering("HTTP/1.1 200 OK\r\nx-rate-limit-remaining: no\r\n\r\n")))
		if conn.Skew() != 0 || conn.Limits() != (Limits{}) {
			t.Errorf("without headers: skew %s, limits %+v", conn.Skew(), conn.Limits())
		}
	})
}

const okGzip = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"

func TestConnectionGzipComesLineByLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := []string{`{"data":{"id":"1"}}`, ``, `{"data":{"id":"2","text":"` + strings.Repeat("日本", 50_000) + `"}}`}
		conn := mustOpen(t, testConfig(fakeX(func(s served) {
			if got := s.request.Header.Get("Accept-Encoding"); got != "gzip" {
				t.Errorf("Accept-Encoding %q", got)
			}
			s.say(okGzip)
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			for _, line := range lines {
				time.Sleep(10 * time.Second)
				io.WriteString(z, line+"\r\n")
				z.Flush()
				s.chunk(b.String())
				b.Reset()
			}
			z.Close()
			s.chunk(b.String())
			s.say("0\r\n\r\n")
		})))
		for i, want := range lines {
			got, err := conn.ReadLines(nil, 10)
			if err != nil || len(got) != 1 || string(got[0]) != want {
				t.Fatalf("line %d: %q, %v", i, got, err)
			}
			if after := time.Duration(i+1) * 10 * time.Second; time.Since(conn.Opened()) != after {
				t.Errorf("line %d came after %s, want %s", i, time.Since(conn.Opened()), after)
			}
		}
		if lines, p := readAll(t, conn); len(lines) != 0 || p.Reason != "clean_end" {
			t.Errorf("%q, then %v", lines, p)
		}
	})
}

// compress makes a gzip response of lines, flushed after each.
func compress(lines ...string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for _, line := range lines {
		io.WriteString(z, line+"\r\n")
		z.Flush()
	}
	z.Close()
	return b.Bytes()
}

func TestConnectionDamagedGzip(t *testing.T) {
	good := []string{`{"data":{"id":"1"}}`, ``}
	whole := compress(good...)
	flipped := slices.Clone(whole)
	flipped[len(flipped)-5] ^= 1 // in the checksum
	tests := []struct {
		name   string
		body   []byte
		lines  []string
		reason string
	}{
		{"garbage", []byte("no gzip at all, but long enough for a header"), nil, "damaged_gzip"},
		{"garbage later on", append(slices.Clone(whole[:len(whole)-13]), bytes.Repeat([]byte{0xff}, 40)...), good, "damaged_gzip"},
		{"a line that is not JSON", compress(good[0], "", `{"data":{"id":"2"`, good[0]), good, "damaged_gzip"},
		{"a line that is not UTF-8", compress(good[0], "", "{\"data\":{\"id\":\"\xff\"}}", good[0]), good, "damaged_gzip"},
		{"wrong checksum", flipped, good, "damaged_gzip"},
		{"no end", whole[:len(whole)-13], good, "cut"},
		{"whole", whole, good, "clean_end"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := mustOpen(t, testConfig(fakeX(func(s served) {
					s.say(okGzip)
					s.chunk(string(test.body))
					s.say("0\r\n\r\n")
				})))
				lines, p := readAll(t, conn)
				if !slices.Equal(lines, test.lines) || p.Reason != test.reason {
					t.Errorf("%q, then %s %v; want %q, then %s", lines, p.Reason, p, test.lines, test.reason)
				}
			})
		})
	}
}

// Or else a backfill, which brings X's own garbage again and again, would end
// each connection at it.
func TestConnectionGarbageThatComesAgainIsXs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const good, garbage = `{"data":{"id":"1"}}`, `%%% garbage`
		client, err := NewClient(testConfig(fakeX(func(s served) {
			s.say(okGzip)
			s.chunk(string(compress(good, garbage, good)))
			s.say("0\r\n\r\n")
		})))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []struct {
			lines  []string
			reason string
		}{
			{[]string{good}, "damaged_gzip"},
			{[]string{good, garbage, good}, "clean_end"},
		} {
			conn, err := client.Open(t.Context(), Request{Stream: filtered})
			if err != nil {
				t.Fatal(err)
			}
			lines, p := readAll(t, conn)
			if !slices.Equal(lines, want.lines) || p.Reason != want.reason {
				t.Errorf("connection %d: %q, then %s; want %q, then %s", i+1, lines, p.Reason, want.lines, want.reason)
			}
			conn.Close()
		}
	})
}

func TestSuspectsAreBounded(t *testing.T) {
	var s suspects
	for n := range 10 * suspectsMost {
		s.again(fmt.Append(nil, n))
		if len(s.seen) > suspectsMost {
			t.Fatalf("%d lines are suspected", len(s.seen))
		}
	}
}

func TestConnectionGarbageLineIsNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := mustOpen(t, testConfig(answering("HTTP/1.1 200 OK\r\n\r\n%%% garbage\r\n{}\r\n")))
		if lines, p := readAll(t, conn); len(lines) != 2 || p.Reason != "clean_end" {
			t.Errorf("%q, then %v", lines, p)
		}
	})
}

// BenchmarkConnection reads Posts of 1.9 KB from a server on the same machine.
func BenchmarkConnection(b *testing.B) {
	line := append(post(true), "\r\n"...)
	plain := bytes.Repeat(line, 100)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(plain)
	z.Close()
	for name, body := range map[string][]byte{"plain": plain, "gzip": zipped.Bytes()} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if name == "gzip" {
					w.Header().Set("Content-Encoding", "gzip")
				}
				for r.Context().Err() == nil {
					w.Write(body)
				}
			}))
			defer server.Close()
			cfg := testConfig(nil)
			cfg.BaseURL = server.URL
			client, err := NewClient(cfg)
			if err != nil {
				b.Fatal(err)
			}
			conn, err := client.Open(b.Context(), Request{Stream: filtered})
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			b.ResetTimer()
			var lines [][]byte
			for n := 0; n < b.N; n += len(lines) {
				if lines, err = conn.ReadLines(lines[:0], 1024); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
