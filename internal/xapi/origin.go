package xapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
)

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// origin is where X is, and the way there.
type origin struct {
	base  *url.URL
	proxy func(*http.Request) (*url.URL, error)
	tls   *tls.Config
	dial  dialFunc
	agent string
}

const (
	maxRedirects       = 3
	maxResponseHeaders = 256 << 10
	maxRefusalBytes    = 64 << 10
	readBufferBytes    = 64 << 10
)

func newOrigin(cfg Config) (*origin, error) {
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	proxy, err := proxyFor(base, cfg.ProxyURL)
	if err != nil {
		return nil, err
	}
	o := &origin{base: base, proxy: proxy, tls: cfg.TLS.Clone(), dial: cfg.Dial, agent: cfg.UserAgent}
	if o.tls != nil {
		o.tls.NextProtos = nil // HTTP/2 would be agreed on here
	}
	if o.dial == nil {
		local, err := localAddress(cfg.LocalAddress)
		if err != nil {
			return nil, err
		}
		o.dial = (&net.Dialer{LocalAddr: local}).DialContext
	}
	if o.agent == "" {
		o.agent = "xconnect (+https://github.com/xconnect-dev/xconnect)"
	}
	return o, nil
}

// localAddress is where sockets begin; nil: where the system chooses.
func localAddress(s string) (net.Addr, error) {
	if s == "" {
		return nil, nil
	}
	ip := net.ParseIP(s)
	if ip == nil {
		return nil, fmt.Errorf("local_address %q is not an IP address", s)
	}
	return &net.TCPAddr{IP: ip}, nil
}

// parseBase never repeats the URL in an error: it may hold a password.
func parseBase(s string) (*url.URL, error) {
	base, err := url.Parse(s)
	switch {
	case err != nil || base.Host == "" || base.Hostname() == "":
		return nil, errors.New("base_url is not a URL such as https://api.x.com")
	case base.User != nil:
		return nil, errors.New("base_url must not hold a user or a password: the credentials have fields of their own")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("base_url must not have a query or a fragment: parameters have a field of their own")
	case base.Scheme == "http" && !isLoopback(base.Hostname()):
		return nil, fmt.Errorf("base_url: the token would travel in the clear to %s: use https", base.Host)
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, fmt.Errorf("base_url: scheme %q is neither https nor, to a loopback address, http", base.Scheme)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = strings.TrimRight(base.RawPath, "/")
	return base, nil
}

// proxyFor is the proxy on the way to base. Over plain HTTP a proxy would
// read the token, so only one on this machine may stand there.
func proxyFor(base *url.URL, proxyURL string) (func(*http.Request) (*url.URL, error), error) {
	if proxyURL == "" {
		return http.ProxyFromEnvironment, nil // it leaves loopback alone
	}
	proxy, err := url.Parse(proxyURL)
	if err != nil || proxy.Hostname() == "" {
		return nil, errors.New("proxy_url is not a URL such as http://proxy:3128 or socks5://proxy:1080")
	}
	switch proxy.Scheme {
	case "http", "https", "socks5":
	default:
		return nil, fmt.Errorf("proxy_url: scheme %q is none of http, https and socks5", proxy.Scheme)
	}
	if base.Scheme == "http" && !isLoopback(proxy.Hostname()) {
		return nil, fmt.Errorf("proxy_url: the token would travel in the clear to %s: use a base_url with https", proxy.Host)
	}
	return http.ProxyURL(proxy), nil
}

func isLoopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// transport makes the transport of one connection: HTTP/1.1 only, for HTTP/2
// would put redundant connections on one socket and let them die together,
// and without decompression of its own, which would hide what is damaged.
func (o *origin) transport(life context.Context, w *wire) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Protocols:              protocols,
		Proxy:                  o.proxy,
		OnProxyConnectResponse: checkProxy,
		DialContext:            w.dial(life, o.dial),
		TLSClientConfig:        o.tls,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxResponseHeaders,
		ReadBufferSize:         readBufferBytes,
		// A socket is never used again, so after the response ends nobody but
		// the reader of the body reads from it: proofs are told on its
		// goroutine only.
		MaxIdleConnsPerHost: -1,
	}
}

// errProxy is a proxy's refusal to connect to X.
var errProxy = errors.New("the proxy refused to connect to X")

func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("%w: %d %s", errProxy, res.StatusCode, http.StatusText(res.StatusCode))
}

// errRedirect is a redirect that was not followed.
var errRedirect = errors.New("X redirected the request, which was not followed: it would carry the credential")

// sameOrigin keeps the credential at the origin that it is for: scheme, host
// and port. Go's own rule would send it on to another port or a subdomain.
func (o *origin) sameOrigin(req *http.Request, via []*http.Request) error {
	if req.URL.Scheme != o.base.Scheme || !strings.EqualFold(hostPort(req.URL), hostPort(o.base)) {
		return fmt.Errorf("%w to another origin", errRedirect)
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("%w in a circle", errRedirect)
	}
	return nil
}

// hostPort names the port that a URL leaves out.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// send sends a request over a new transport and returns what came back once
// its headers are there. sent says that X may have seen the request.
func (o *origin) send(life context.Context, w *wire, req *http.Request) (res *http.Response, sent bool, err error) {
	req.Header.Set("User-Agent", o.agent)
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }}
	client := &http.Client{Transport: o.transport(life, w), CheckRedirect: o.sameOrigin}
	res, err = client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	return res, wrote.Load(), err
}
