package xapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
)

// Credentials put the Authorization header on a request. They may be shared
// by all connections of an input.
type Credentials interface {
	// Authorize sets the header, for which it may have to read a file or ask
	// X. Its errors hold no secret.
	Authorize(ctx context.Context, req *http.Request) error
	// Refused tells that X answered 401: the next Authorize fetches again.
	Refused()
}

// maxTokenBytes bounds a token file, and X's answer to an exchange.
const maxTokenBytes = 64 << 10

// BearerToken is a token as X's developer console shows it.
func BearerToken(token string) Credentials { return bearerToken(token) }

type bearerToken string

func (t bearerToken) Authorize(_ context.Context, req *http.Request) error {
	if err := bear(req, string(t)); err != nil {
		return missing(fmt.Errorf("bearer_token %w", err), t.String())
	}
	return nil
}

func (bearerToken) Refused()       {}
func (bearerToken) String() string { return "bearer_token" }

// BearerTokenFile is a file with a token, read at each connect, so that
// replacing the file is all that a new token takes.
func BearerTokenFile(path string) Credentials { return bearerTokenFile(path) }

type bearerTokenFile string

func (f bearerTokenFile) Authorize(_ context.Context, req *http.Request) error {
	token, err := f.read()
	if err == nil {
		err = bear(req, token)
	}
	if err != nil {
		return missing(fmt.Errorf("bearer_token_file: %s %w", string(f), err), f.String())
	}
	return nil
}

func (f bearerTokenFile) read() (string, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return "", cannotRead(err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxTokenBytes))
	if err != nil {
		return "", cannotRead(err)
	}
	return string(b), nil
}

// cannotRead leaves the path, which is said already, out of the error.
func cannotRead(err error) error {
	if p := new(os.PathError); errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

func (bearerTokenFile) Refused()       {}
func (bearerTokenFile) String() string { return "the token in bearer_token_file" }

// AppOnly is an app's API key and secret, exchanged for a token at the X of
// cfg (docs.x.com: "OAuth 2.0 App-Only", POST /oauth2/token), over the proxy,
// TLS and dialer of cfg. The token is kept until X refuses it.
func AppOnly(key, secret string, cfg Config) Credentials {
	return &appOnly{key: key, secret: secret, cfg: cfg, turn: make(chan struct{}, 1)}
}

type appOnly struct {
	key, secret string
	cfg         Config

	turn chan struct{} // held during an exchange, of which one is enough

	mu    sync.Mutex
	token string // "": none yet, or refused
}

func (*appOnly) String() string { return "api_key and api_secret" }

func (a *appOnly) Refused() { a.keep("") }

func (a *appOnly) keep(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = token
}

func (a *appOnly) kept() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.token
}

func (a *appOnly) Authorize(ctx context.Context, req *http.Request) error {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return unanswered(ctx, "waiting for the exchange of api_key and api_secret", ctx.Err(), false)
	}
	token := a.kept()
	if token == "" {
		var err error
		if token, err = a.exchange(ctx); err != nil {
			return err
		}
	}
	if err := bear(req, token); err != nil {
		return missing(fmt.Errorf("the token that X gave for api_key and api_secret %w", err), a.String())
	}
	a.keep(strings.TrimSpace(token))
	return nil
}

// exchange asks X for a token. Its problems never count as connects to a
// stream, so they are not Sent.
func (a *appOnly) exchange(ctx context.Context) (string, error) {
	if a.key == "" || a.secret == "" {
		return "", missing(errors.New("api_key or api_secret is empty"), a.String())
	}
	o, err := newOrigin(a.cfg)
	if err != nil {
		return "", missing(err, a.String())
	}
	doing := "exchanging api_key and api_secret for a token at " + o.base.Host
	body := strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.base.JoinPath("/oauth2/token").String(), body)
	if err != nil {
		return "", unanswered(ctx, doing, err, false)
	}
	req.SetBasicAuth(url.QueryEscape(a.key), url.QueryEscape(a.secret))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")

	w := &wire{}
	defer w.close()
	res, _, err := o.send(ctx, w, req)
	if err != nil {
		return "", unanswered(ctx, doing, err, false)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxTokenBytes))
	if err != nil {
		return "", unanswered(ctx, doing, err, false)
	}
	if res.StatusCode != http.StatusOK {
		return "", a.refused(res, answer, o)
	}
	var grant struct {
		TokenType   string `json:"token_type"`
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(answer, &grant) != nil || !strings.EqualFold(grant.TokenType, "bearer") || grant.AccessToken == "" {
		return "", &Problem{Class: HTTPFailure, Reason: "credentials", Err: errors.New(doing + ": the answer holds no bearer token")}
	}
	return grant.AccessToken, nil
}

// refused makes a Problem of X's refusal to exchange. A wrong pair is 403
// there, for which the advice about access to a stream would mislead.
func (a *appOnly) refused(res *http.Response, answer []byte, o *origin) *Problem {
	p := refused(res.StatusCode, res.Header, hide(answer, a.key, a.secret), Stream{}, o.base.String(), a.String())
	p.Sent = false
	switch p.Class {
	case BadRequest, Unauthorized, Forbidden:
		p.Class, p.Reason = Unauthorized, "unauthorized"
		p.Advice = "check api_key and api_secret: X does not know them, or they were regenerated"
	case HTTPFailure:
		p.Advice = ""
	}
	p.Err = errors.New("exchanging api_key and api_secret for a token")
	return p
}

// bear puts a token on the request. X's tokens are visible ASCII; anything
// else is a file of another kind, or a paste that went wrong.
func bear(req *http.Request, token string) error {
	token = strings.TrimSpace(token)
	if token == "" {
		return errors.New("is empty")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("has characters that no token has, such as a space or a line break")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// missing is the Problem of a request that cannot be authorized.
func missing(err error, credential string) *Problem {
	return &Problem{Class: Unauthorized, Reason: "credentials", Err: err, Advice: "check " + credential}
}

// unauthorized makes a Problem of an error of Authorize, which any
// implementation may return.
func unauthorized(err error, c Credentials) *Problem {
	if p := new(Problem); errors.As(err, &p) {
		return p
	}
	return missing(fmt.Errorf("authorizing the request: %w", err), named(c))
}

// named is how the user names the credential.
func named(c Credentials) string {
	if s, ok := c.(fmt.Stringer); ok {
		return s.String()
	}
	return "the credential"
}

// hide removes secrets from what a server sent, in case that it echoes them.
func hide(b []byte, secrets ...string) []byte {
	s := string(b)
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[secret]")
		}
	}
	return []byte(s)
}
