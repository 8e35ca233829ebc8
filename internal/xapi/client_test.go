package xapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewClientRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		says   string // "": accepted
	}{
		{"nothing", func(c *Config) {}, ""},
		{"https", func(c *Config) { c.BaseURL = "https://api.x.com" }, ""},
		{"http to IPv6 loopback", func(c *Config) { c.BaseURL = "http://[::1]:80" }, ""},
		{"http to localhost", func(c *Config) { c.BaseURL = "http://localhost/prefix/" }, ""},
		{"http", func(c *Config) { c.BaseURL = "http://api.x.com" }, "token would travel in the clear"},
		{"http to a name that only looks like loopback", func(c *Config) { c.BaseURL = "http://127.0.0.1.example.com" }, "in the clear"},
		{"http to a private address", func(c *Config) { c.BaseURL = "http://10.0.0.1" }, "in the clear"},
		{"no URL", func(c *Config) { c.BaseURL = "" }, "base_url is not a URL"},
		{"no host", func(c *Config) { c.BaseURL = "https://:443" }, "base_url is not a URL"},
		{"no scheme", func(c *Config) { c.BaseURL = "api.x.com" }, "base_url is not a URL"},
		{"another scheme", func(c *Config) { c.BaseURL = "ftp://api.x.com" }, `scheme "ftp"`},
		{"a password", func(c *Config) { c.BaseURL = "https://u:" + secretToken + "@api.x.com" }, "must not hold a user"},
		{"a password in no URL", func(c *Config) { c.BaseURL = "https://u:" + secretToken + " x@api.x.com" }, "base_url is not a URL"},
		{"a query", func(c *Config) { c.BaseURL = "https://api.x.com?a=b" }, "must not have a query"},
		{"no credentials", func(c *Config) { c.Credentials = nil }, "no credentials"},
		{"negative connect timeout", func(c *Config) { c.ConnectTimeout = -1 }, "connect_timeout is negative"},
		{"negative heartbeat timeout", func(c *Config) { c.HeartbeatTimeout = -1 }, "heartbeat_timeout is negative"},
		{"negative line length", func(c *Config) { c.MaxLineBytes = -1 }, "max_line_bytes is negative"},
		{"proxy", func(c *Config) { c.BaseURL, c.ProxyURL = "https://api.x.com", "socks5://u:p@proxy:1080" }, ""},
		{"proxy that is no URL", func(c *Config) { c.ProxyURL = "http://u:" + secretToken + " x@proxy" }, "proxy_url is not a URL"},
		{"proxy of another scheme", func(c *Config) { c.ProxyURL = "ftp://proxy" }, "proxy_url: scheme"},
		{"proxy that would read the token", func(c *Config) { c.ProxyURL = "http://proxy:3128" }, "in the clear to proxy:3128"},
	}
	for _, test := range tests {
		cfg := testConfig(nil)
		test.change(&cfg)
		_, err := NewClient(cfg)
		switch {
		case test.says == "":
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		case err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), secretToken):
			t.Errorf("%s: %v, want it to say %q and no secret", test.name, err, test.says)
		}
	}
}

func TestRequestURL(t *testing.T) {
	base := &url.URL{Scheme: "https", Host: "api.x.com"}
	lookup := func(name string) Stream { s, _ := Lookup(name); return s }
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := []struct {
		request Request
		want    string // "!" and what the error says
	}{
		{Request{Stream: lookup("filtered")}, "/2/tweets/search/stream?tweet.fields=created_at%2Clang"},
		{Request{Stream: lookup("filtered"), BackfillMinutes: 5}, "/2/tweets/search/stream?backfill_minutes=5&tweet.fields=created_at%2Clang"},
		{Request{Stream: lookup("firehose"), Partition: 20}, "/2/tweets/firehose/stream?partition=20&tweet.fields=created_at%2Clang"},
		{Request{Stream: lookup("powerstream"), Start: at("2026-07-12T17:10:00.9+02:00"), End: at("2026-07-12T15:20:00.1Z")},
			"/2/powerstream?endTime=2026-07-12T15%3A20%3A01Z&startTime=2026-07-12T15%3A10%3A00Z&tweet.fields=created_at%2Clang"},
		{Request{Stream: lookup("filtered"), Start: at("2026-07-12T15:10:00Z"), End: at("2026-07-12T15:20:00Z")},
			"/2/tweets/search/stream?end_time=2026-07-12T15%3A20%3A00Z&start_time=2026-07-12T15%3A10%3A00Z&tweet.fields=created_at%2Clang"},
		{Request{}, "!names no stream"},
		{Request{Stream: lookup("powertrack")}, "!account and a label"},
		{Request{Stream: lookup("firehose")}, "!needs a partition, 1 to 20"},
		{Request{Stream: lookup("firehose"), Partition: 21}, "!partitions 1 to 20, not 21"},
		{Request{Stream: lookup("filtered"), Partition: 1}, "!not 1"},
		{Request{Stream: lookup("filtered"), BackfillMinutes: 6}, "!1 to 5 minutes, not 6"},
		{Request{Stream: lookup("filtered"), BackfillMinutes: -1}, "!1 to 5 minutes"},
		{Request{Stream: lookup("sample"), Start: at("2026-07-12T15:10:00Z"), End: at("2026-07-12T15:20:00Z")}, "!has no recovery"},
		{Request{Stream: lookup("filtered"), Start: at("2026-07-12T15:10:00Z")}, "!a start and an end"},
		{Request{Stream: lookup("filtered"), End: at("2026-07-12T15:10:00Z")}, "!a start and an end"},
		{Request{Stream: lookup("filtered"), Start: at("2026-07-12T15:10:00Z"), End: at("2026-07-12T15:10:00Z")}, "!not before"},
		{Request{Stream: lookup("filtered"), BackfillMinutes: 1, Start: at("2026-07-12T15:10:00Z"), End: at("2026-07-12T15:20:00Z")}, "!as well"},
	}
	for _, test := range tests {
		u, err := test.request.url(base, map[string]string{"tweet.fields": "created_at,lang"})
		if says, bad := strings.CutPrefix(test.want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%+v: %v, want %q", test.request, err, says)
			}
		} else if err != nil || u.String() != "https://api.x.com"+test.want {
			t.Errorf("%s, %v; want %s", u, err, test.want)
		}
	}
}

func TestOpenSendsWhatXNeeds(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer server.Close()
	cfg := testConfig(nil)
	cfg.BaseURL, cfg.UserAgent = server.URL+"/prefix/", "xconnect/1.2.3"
	conn := mustOpen(t, cfg)
	if lines, p := readAll(t, conn); len(lines) != 0 || p.Reason != "clean_end" {
		t.Errorf("%q, then %v", lines, p)
	}
	if got.URL.String() != "/prefix/2/tweets/search/stream" || got.Proto != "HTTP/1.1" || got.UserAgent() != "xconnect/1.2.3" ||
		got.Header.Get("Authorization") != "Bearer "+secretToken {
		t.Errorf("sent %s %s %v", got.Proto, got.URL, got.Header)
	}
}

func TestOpenRequestThatCannotBe(t *testing.T) {
	client, err := NewClient(testConfig(func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, errors.New("no")
	}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Open(t.Context(), Request{Stream: filtered, BackfillMinutes: 7})
	if p := asProblem(t, err); p.Class != BadRequest || p.Reason != "request" || p.Sent {
		t.Errorf("%+v", p)
	}
}

func TestOpenConnectTimeout(t *testing.T) {
	hang := func(s served) { s.hang() }
	tests := []struct {
		name string
		dial func(context.Context, string, string) (net.Conn, error)
		sent bool
	}{
		{"dialling", func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }, false},
		{"no headers", fakeX(hang), true},
		{"headers by the byte", fakeX(func(s served) {
			for _, b := range []byte("HTTP/1") {
				time.Sleep(time.Second)
				s.Write([]byte{b})
			}
			s.hang()
		}), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				cfg := testConfig(test.dial)
				cfg.ConnectTimeout = 7 * time.Second
				p := mustFail(t, cfg)
				if p.Reason != "connect_timeout" || p.Class != Network || p.Sent != test.sent || time.Since(start) != 7*time.Second {
					t.Errorf("%s after %s, sent %t: %v", p.Reason, time.Since(start), p.Sent, p)
				}
			})
		})
	}
	t.Run("not after the headers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig(fakeX(func(s served) {
				s.say(okChunked)
				for range 100 {
					time.Sleep(20 * time.Second)
					s.chunk("\r\n")
				}
				s.say("0\r\n\r\n")
			}))
			cfg.ConnectTimeout = 7 * time.Second
			if lines, p := readAll(t, mustOpen(t, cfg)); len(lines) != 100 || p.Reason != "clean_end" {
				t.Errorf("%d lines, then %v", len(lines), p)
			}
		})
	})
	t.Run("a refusal that never ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			cfg := testConfig(fakeX(func(s served) {
				s.say("HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n")
				s.chunk("overloaded")
				s.hang()
			}))
			cfg.ConnectTimeout = 7 * time.Second
			p := mustFail(t, cfg)
			if p.Status != 503 || p.Detail != "overloaded" || time.Since(start) != 7*time.Second {
				t.Errorf("%v after %s", p, time.Since(start))
			}
		})
	})
	t.Run("the caller gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, err := NewClient(testConfig(fakeX(hang)))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = client.Open(ctx, Request{Stream: filtered})
			if p := asProblem(t, err); p.Reason != "closed" || !errors.Is(p, context.DeadlineExceeded) {
				t.Errorf("%s: %v", p.Reason, p)
			}
		})
	})
}

func TestOpenNoAnswer(t *testing.T) {
	fails := func(err error) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (net.Conn, error) { return nil, err }
	}
	tests := []struct {
		name   string
		dial   func(context.Context, string, string) (net.Conn, error)
		reason string
		sent   bool
		advice string
	}{
		{"refused", fails(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), "refused", false, "nothing listens"},
		{"unreachable", fails(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}), "unreachable", false, ""},
		{"timeout of the system", fails(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}), "timeout", false, ""},
		{"unknown name", fails(&net.DNSError{Err: "no such host", Name: "api.x.com", IsNotFound: true}), "dns", false, "DNS"},
		{"slow name server", fails(&net.DNSError{Err: "i/o timeout", Name: "api.x.com", IsTimeout: true}), "dns", false, "DNS"},
		{"something else", fails(errors.New("what?\nfor")), "network", false, ""},
		{"end without an answer", fakeX(func(served) {}), "no_response", true, ""},
		{"end inside the headers", answering("HTTP/1.1 200 OK\r\nDate: x"), "no_response", true, ""},
		{"reset", fakeX(func(s served) { s.reset() }), "reset", true, ""},
		{"not HTTP", answering("SSH-2.0-OpenSSH\r\n\r\n"), "malformed_response", true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := mustFail(t, testConfig(test.dial))
				if p.Class != Network || p.Reason != test.reason || p.Sent != test.sent || !strings.Contains(p.Advice, test.advice) {
					t.Errorf("%v, %s, sent %t, %q: %v", p.Class, p.Reason, p.Sent, p.Advice, p)
				}
			})
		})
	}
}

func TestOpenRedirects(t *testing.T) {
	carried := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { carried <- r.Header.Get("Authorization") }))
	defer other.Close()
	var location string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case filtered.Path:
			http.Redirect(w, r, location, http.StatusTemporaryRedirect)
		case "/moved":
			io.WriteString(w, r.Header.Get("Authorization")+"\n")
		case "/circle":
			http.Redirect(w, r, "/circle", http.StatusFound)
		}
	}))
	defer server.Close()
	cfg := testConfig(nil)
	cfg.BaseURL = server.URL

	host := strings.TrimPrefix(server.URL, "http://")
	for _, location = range []string{
		other.URL + "/moved", "https://" + host + "/moved", "http://localhost:" + host[strings.LastIndex(host, ":")+1:] + "/moved", "/circle",
		"http://user:" + secretToken + "@" + strings.TrimPrefix(other.URL, "http://"),
	} {
		if p := mustFail(t, cfg); p.Class != HTTPFailure || p.Reason != "redirect" || !p.Sent || p.Advice == "" {
			t.Errorf("to %s: %s %+v", location, p.Reason, p)
		}
	}
	select {
	case header := <-carried:
		t.Errorf("another origin was asked, with %q", header)
	default:
	}
	for _, location = range []string{"/moved", server.URL + "/moved"} {
		if lines, _ := readAll(t, mustOpen(t, cfg)); len(lines) != 1 || lines[0] != "Bearer "+secretToken {
			t.Errorf("to %s: %q", location, lines)
		}
	}
}

func TestOpenOverTLSSpeaksHTTP1(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s\n", r.Proto)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	cfg := testConfig(nil)
	cfg.BaseURL = server.URL
	cfg.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	cfg.TLS.NextProtos = []string{"h2", "http/1.1"}
	conn := mustOpen(t, cfg)
	if lines, _ := readAll(t, conn); len(lines) != 1 || lines[0] != "HTTP/1.1" {
		t.Errorf("%q", lines)
	}
	if conn.wire.drained.IsZero() {
		t.Error("no read was seen below TLS")
	}

	cfg.TLS = nil
	if p := mustFail(t, cfg); p.Reason != "tls" || p.Sent || !strings.Contains(p.Advice, "certificate") {
		t.Errorf("an unknown authority: %s %v", p.Reason, p)
	}
	cfg.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10, InsecureSkipVerify: true}
	if p := mustFail(t, cfg); p.Reason != "tls" || p.Sent {
		t.Errorf("an old version: %s %v", p.Reason, p)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	cfg.BaseURL, cfg.TLS = "https"+strings.TrimPrefix(plain.URL, "http"), nil
	if p := mustFail(t, cfg); p.Reason != "tls" || p.Sent {
		t.Errorf("a server without TLS: %s %v", p.Reason, p)
	}
}

func TestOpenThroughProxy(t *testing.T) {
	x := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "" {
			t.Error("X sees the proxy's password")
		}
		io.WriteString(w, "{}\n")
	}))
	defer x.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the proxy sees the token")
		}
		if user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth(); user != "u" || password != secretToken {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer to.Close()
		from, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer from.Close()
		io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { io.Copy(to, from); to.Close() }()
		io.Copy(from, to)
	}))
	defer proxy.Close()
	host := strings.TrimPrefix(proxy.URL, "http://")
	cfg := testConfig(nil)
	cfg.BaseURL, cfg.TLS = x.URL, x.Client().Transport.(*http.Transport).TLSClientConfig

	cfg.ProxyURL = "http://u:" + secretToken + "@" + host
	conn := mustOpen(t, cfg)
	if lines, err := conn.ReadLines(nil, 1); err != nil || string(lines[0]) != "{}" {
		t.Errorf("%q, %v", lines, err)
	}
	cfg.ProxyURL = "http://u:wrong@" + host
	if p := mustFail(t, cfg); p.Reason != "proxy" || p.Sent || !strings.Contains(p.Error(), "407") {
		t.Errorf("a wrong password: %s %v", p.Reason, p)
	}
	closing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closing.Close()
	go func() {
		for {
			c, err := closing.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	cfg.ProxyURL = "socks5://u:" + secretToken + "@" + closing.Addr().String()
	if p := mustFail(t, cfg); p.Reason != "proxy" || p.Sent {
		t.Errorf("no SOCKS proxy: %s %v", p.Reason, p)
	}
	proxy.Close()
	cfg.ProxyURL = "http://u:" + secretToken + "@" + host
	if p := mustFail(t, cfg); p.Reason != "proxy" || p.Sent {
		t.Errorf("no proxy: %s %v", p.Reason, p)
	}
}

// TestOpenLeavesNothingRunning relies on synctest, which fails when a
// goroutine outlives the test.
func TestOpenLeavesNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := NewClient(testConfig(fakeX(
			func(s served) { s.say("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"); s.hang() },
			func(s served) { s.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na\n"); s.hang() },
			func(s served) { s.say(okChunked); s.chunk("a\n"); s.hang() },
		)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Open(t.Context(), Request{Stream: filtered}); err == nil {
			t.Error("opened")
		}
		for range 2 {
			conn, err := client.Open(t.Context(), Request{Stream: filtered})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ReadLines(nil, 1); err != nil {
				t.Fatal(err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
	})
}
