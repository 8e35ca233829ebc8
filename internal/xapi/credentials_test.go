package xapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// authorized returns the header that c sets.
func authorized(c Credentials) (string, error) {
	req, err := http.NewRequest(http.MethodGet, "https://api.x.com", nil)
	if err != nil {
		return "", err
	}
	err = c.Authorize(context.Background(), req)
	return req.Header.Get("Authorization"), err
}

func TestBearerToken(t *testing.T) {
	if got, err := authorized(BearerToken(" abc%3D\n")); got != "Bearer abc%3D" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, token := range []string{"", " \n", secretToken + " x", secretToken + "\r\nX: y", secretToken + "é"} {
		header, err := authorized(BearerToken(token))
		if p := asProblem(t, err); header != "" || p.Class != Unauthorized || p.Reason != "credentials" || p.Sent || !strings.Contains(p.Error(), "bearer_token") {
			t.Errorf("%q: header %q, %v", token, header, p)
		}
	}
}

func TestBearerTokenFileIsReadAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "token")
	c := BearerTokenFile(name)
	refuse := func(says string) {
		t.Helper()
		_, err := authorized(c)
		if p := asProblem(t, err); p.Class != Unauthorized || p.Reason != "credentials" || !strings.Contains(p.Error(), says) || !strings.Contains(p.Error(), name) {
			t.Errorf("%v, want %q", p, says)
		}
	}
	refuse("cannot be read: no such file")
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(name, []byte("\n "+token+"\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := authorized(c); got != "Bearer "+token || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refuse("is empty")
	if err := os.WriteFile(name, []byte("a\nb"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuse("line break")
	c = BearerTokenFile(filepath.Dir(name))
	name = filepath.Dir(name)
	refuse("cannot be read")
}

// exchange is an X that gives the token "token-N" for the N-th exchange, and
// takes only the latest.
type exchange struct {
	*httptest.Server
	exchanges atomic.Int64
	answer    func(w http.ResponseWriter, n int64) bool // true: answered
}

func newExchange(t *testing.T) *exchange {
	x := &exchange{}
	x.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/oauth2/token" {
			if r.Header.Get("Authorization") != "Bearer token-"+string(rune('0'+x.exchanges.Load())) {
				w.WriteHeader(http.StatusUnauthorized)
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		key, secret, _ := r.BasicAuth()
		if r.Method != http.MethodPost || string(body) != "grant_type=client_credentials" || key != "k%2Fey" || secret != "s%3Aecret" ||
			!strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.UserAgent() == "" {
			t.Errorf("exchange with %s %q %q:%q %v", r.Method, body, key, secret, r.Header)
		}
		n := x.exchanges.Add(1)
		if x.answer == nil || !x.answer(w, n) {
			io.WriteString(w, `{"token_type":"bearer","access_token":"token-`+string(rune('0'+n))+`"}`)
		}
	}))
	t.Cleanup(x.Close)
	return x
}

func (x *exchange) config() Config {
	cfg := Config{BaseURL: x.URL}
	cfg.Credentials = AppOnly("k/ey", "s:ecret", cfg)
	return cfg
}

func TestAppOnlyKeepsItsTokenUntilRefused(t *testing.T) {
	x := newExchange(t)
	client, err := NewClient(x.config())
	if err != nil {
		t.Fatal(err)
	}
	open := func() error {
		conn, err := client.Open(t.Context(), Request{Stream: filtered})
		if err == nil {
			conn.Close()
		}
		return err
	}
	for range 3 {
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
	if n := x.exchanges.Load(); n != 1 {
		t.Errorf("%d exchanges for three connects", n)
	}
	x.exchanges.Store(5) // the token was revoked
	if p := asProblem(t, open()); p.Class != Unauthorized || !p.Sent || !strings.Contains(p.Advice, "api_key and api_secret") {
		t.Errorf("%+v", p)
	}
	if err := open(); err != nil {
		t.Errorf("after another exchange: %v", err)
	}
	if n := x.exchanges.Load(); n != 6 {
		t.Errorf("exchange number %d, want 6", n)
	}
}

func TestAppOnlyProblems(t *testing.T) {
	tests := []struct {
		name   string
		answer func(http.ResponseWriter, int64) bool
		class  Class
		reason string
		says   string
	}{
		{"a wrong pair", func(w http.ResponseWriter, _ int64) bool {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"errors":[{"code":99,"message":"Unable to verify your credentials k/ey s:ecret","label":"authenticity_token_error"}]}`)
			return true
		}, Unauthorized, "unauthorized", "Unable to verify your credentials [secret] [secret]"},
		{"a limit", func(w http.ResponseWriter, _ int64) bool {
			w.Header().Set("x-rate-limit-reset", "1784927565")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}, RateLimited, "rate_limited", "429"},
		{"an outage", func(w http.ResponseWriter, _ int64) bool { w.WriteHeader(503); return true }, HTTPFailure, "http_503", "exchanging api_key"},
		{"no token", func(w http.ResponseWriter, _ int64) bool { io.WriteString(w, `{"token_type":"bearer"}`); return true }, HTTPFailure, "credentials", "no bearer token"},
		{"another token", func(w http.ResponseWriter, _ int64) bool {
			io.WriteString(w, `{"token_type":"mac","access_token":"x"}`)
			return true
		}, HTTPFailure, "credentials", "no bearer token"},
		{"a token that cannot be", func(w http.ResponseWriter, _ int64) bool {
			io.WriteString(w, `{"token_type":"bearer","access_token":"x y"}`)
			return true
		}, Unauthorized, "credentials", "has characters"},
		{"a long answer", func(w http.ResponseWriter, _ int64) bool {
			io.WriteString(w, `{"token_type":"bearer","x":"`+strings.Repeat("x", 1<<20)+`","access_token":"x"}`)
			return true
		}, HTTPFailure, "credentials", "no bearer token"},
		{"another origin", func(w http.ResponseWriter, _ int64) bool {
			w.Header().Set("Location", "http://localhost:1/oauth2/token")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return true
		}, HTTPFailure, "redirect", "not followed"},
		{"no answer", func(w http.ResponseWriter, _ int64) bool { panic(http.ErrAbortHandler) }, Network, "no_response", "exchanging api_key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := newExchange(t)
			x.answer = test.answer
			p := mustFail(t, x.config())
			if p.Class != test.class || p.Reason != test.reason || p.Sent || !strings.Contains(p.Error(), test.says) {
				t.Errorf("%v, %s, sent %t: %v; want %v, %s, %q", p.Class, p.Reason, p.Sent, p, test.class, test.reason, test.says)
			}
			if strings.Contains(p.Error()+p.Advice, "s:ecret") || strings.Contains(p.Error(), "k/ey") {
				t.Errorf("a secret in %v", p)
			}
			if n := x.exchanges.Load(); n != 1 {
				t.Errorf("%d exchanges for one connect", n)
			}
		})
	}
	if _, err := authorized(AppOnly("", "x", Config{})); asProblem(t, err).Reason != "credentials" {
		t.Error(err)
	}
	if _, err := authorized(AppOnly("x", "y", Config{BaseURL: "http://api.x.com"})); !strings.Contains(asProblem(t, err).Error(), "in the clear") {
		t.Error(err)
	}
}

// TestAppOnlyExchangesOnce lets many connections want a token at once, and
// one of them give up waiting.
func TestAppOnlyExchangesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var exchanges atomic.Int64
		cfg := testConfig(fakeX(func(s served) {
			exchanges.Add(1)
			time.Sleep(10 * time.Second)
			const grant = `{"token_type":"bearer","access_token":"x"}`
			s.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(grant), grant)
			s.hang()
		}))
		c := AppOnly("key", "secret", cfg)
		got := make(chan error)
		for range 20 {
			go func() {
				_, err := authorized(c)
				got <- err
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, _ := http.NewRequest(http.MethodGet, "https://api.x.com", nil)
		if p := asProblem(t, c.Authorize(ctx, req)); p.Reason != "closed" || !errors.Is(p, context.DeadlineExceeded) {
			t.Errorf("%v", p)
		}
		for range 20 {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
		if n := exchanges.Load(); n != 1 {
			t.Errorf("%d exchanges", n)
		}
	})
}

// brokenCredentials are of another package.
type brokenCredentials struct{}

func (brokenCredentials) Authorize(context.Context, *http.Request) error {
	return errors.New("the vault is sealed")
}
func (brokenCredentials) Refused() {}

func TestOpenWithOtherCredentials(t *testing.T) {
	cfg := testConfig(nil)
	cfg.Credentials = brokenCredentials{}
	if p := mustFail(t, cfg); p.Class != Unauthorized || p.Reason != "credentials" || p.Sent || !strings.Contains(p.Error(), "the vault is sealed") {
		t.Errorf("%+v", p)
	}
}
