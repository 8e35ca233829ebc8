package xapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const defaultConnectTimeout = 30 * time.Second

// Config says which X to talk to, and how.
type Config struct {
	BaseURL     string // such as https://api.x.com; http to a loopback address only
	Credentials Credentials
	UserAgent   string // X asks for the client's version; default: without one

	ConnectTimeout   time.Duration // from dialling to the response headers; 0: 30 s
	HeartbeatTimeout time.Duration // longest wait for a byte, from the headers on; 0: the stream's Watchdog
	MaxLineBytes     int           // longer lines are skipped; 0: 4 MiB

	Parameters map[string]string // sent with each request: field selections and the like
	TLS        *tls.Config       // nil: Go's defaults
	ProxyURL   string            // http, https or socks5; "": as the environment says

	// LocalAddress is the IP address that the sockets are bound to; "": as the
	// system chooses. Dial must be nil with it.
	LocalAddress string

	// Dial makes the sockets; nil: a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Stalls tells time in which nobody waited from time in which nothing
	// came; nil: this process never stands still.
	Stalls StallDetector
}

// Client opens connections to streams, and asks for rules and past Posts.
type Client struct {
	origin           *origin
	credentials      Credentials
	connectTimeout   time.Duration
	heartbeatTimeout time.Duration
	maxLineBytes     int
	parameters       map[string]string
	stalls           StallDetector
	suspects         suspects
}

// NewClient checks all of cfg that can be known to be wrong before
// connecting. Its errors name the config's field and hold no secret.
func NewClient(cfg Config) (*Client, error) {
	o, err := newOrigin(cfg)
	switch {
	case err != nil:
		return nil, err
	case cfg.Credentials == nil:
		return nil, errors.New("no credentials: set bearer_token, bearer_token_file, or api_key with api_secret")
	case cfg.ConnectTimeout < 0:
		return nil, fmt.Errorf("connect_timeout is negative: %s", cfg.ConnectTimeout)
	case cfg.HeartbeatTimeout < 0:
		return nil, fmt.Errorf("heartbeat_timeout is negative: %s", cfg.HeartbeatTimeout)
	case cfg.MaxLineBytes < 0:
		return nil, fmt.Errorf("max_line_bytes is negative: %d", cfg.MaxLineBytes)
	}
	c := &Client{
		origin:           o,
		credentials:      cfg.Credentials,
		connectTimeout:   cfg.ConnectTimeout,
		heartbeatTimeout: cfg.HeartbeatTimeout,
		maxLineBytes:     cfg.MaxLineBytes,
		parameters:       cfg.Parameters,
		stalls:           cfg.Stalls,
	}
	if c.connectTimeout == 0 {
		c.connectTimeout = defaultConnectTimeout
	}
	if c.maxLineBytes == 0 {
		c.maxLineBytes = defaultMaxLineBytes
	}
	return c, nil
}

// Open sends the request and returns once X has answered 200. The error of
// any other outcome is a *Problem. ctx ends the connection, too.
func (c *Client) Open(ctx context.Context, r Request) (*Connection, error) {
	u, err := r.url(c.origin.base, c.parameters)
	if err != nil {
		return nil, invalid(err)
	}
	life, end := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.connectTimeout, func() { end(errConnectTimeout) })
	defer timer.Stop()

	w := &wire{timeout: c.heartbeatTimeout, stalls: c.stalls}
	if w.timeout == 0 {
		w.timeout = r.Stream.Watchdog
	}
	res, opened, err := c.connect(life, w, u, r.Stream)
	if err == nil && !timer.Stop() {
		// The timer fired when the headers came: the response is dead already.
		err = unanswered(life, "connecting to "+u.Host, errConnectTimeout, true)
	}
	if err != nil {
		end(err)
		w.close()
		if p := new(Problem); errors.As(err, &p) {
			p.Advice = r.advice(p)
		}
		return nil, err
	}
	w.arm()
	return newConnection(life, end, w, res, opened, c.maxLineBytes, &c.suspects), nil
}

// connect sends the request and returns an answer of 200 that can be read,
// and when it came.
func (c *Client) connect(life context.Context, w *wire, u *url.URL, of Stream) (*http.Response, time.Time, error) {
	doing := "connecting to " + u.Host
	req, err := http.NewRequestWithContext(life, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, time.Time{}, unanswered(life, doing, err, false)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	if err := c.credentials.Authorize(life, req); err != nil {
		return nil, time.Time{}, unauthorized(err, c.credentials)
	}
	res, sent, err := c.origin.send(life, w, req)
	if err != nil {
		return nil, time.Time{}, unanswered(life, doing, err, sent)
	}
	opened := time.Now()
	if res.StatusCode != http.StatusOK {
		return nil, time.Time{}, c.refused(res, req, of)
	}
	switch res.Header.Get("Content-Encoding") {
	case "", "identity", "gzip":
		return res, opened, nil
	}
	p := &Problem{Class: HTTPFailure, Reason: "content_encoding", Sent: true, Limits: limitsOf(res.Header), Date: dateOf(res.Header)}
	p.Err = errors.New(doing + ": the answer has a Content-Encoding that was not asked for")
	return nil, time.Time{}, p
}

// refused makes a Problem of an answer that is not 200.
func (c *Client) refused(res *http.Response, req *http.Request, of Stream) *Problem {
	defer res.Body.Close()
	var r io.Reader = io.LimitReader(res.Body, maxRefusalBytes)
	if isGzip(res) {
		r = io.LimitReader(&gunzip{src: r}, maxRefusalBytes)
	}
	body, _ := io.ReadAll(r) // what came before an error still says why
	if res.StatusCode == http.StatusUnauthorized {
		c.credentials.Refused()
	}
	header := req.Header.Get("Authorization")
	_, secret, _ := strings.Cut(header, " ")
	return refused(res.StatusCode, res.Header, hide(body, header, secret), of, c.origin.base.String(), named(c.credentials))
}
