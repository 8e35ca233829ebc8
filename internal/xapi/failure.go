package xapi

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

var (
	errConnectTimeout   = errors.New("no answer within connect_timeout")
	errHeartbeatTimeout = errors.New("no byte within heartbeat_timeout: the connection is dead")
	errCleanEnd         = fmt.Errorf("X ended the connection: %w", io.EOF)
	errCut              = fmt.Errorf("the connection was cut inside the response: %w", io.ErrUnexpectedEOF)
	errCutLine          = fmt.Errorf("X ended the connection inside a line: %w", io.ErrUnexpectedEOF)
	errDamagedGzip      = errors.New("the compressed response is damaged")
)

// unanswered makes a Problem of a request that brought no answer. doing says
// what was tried, and never more than the host that it was tried with.
func unanswered(ctx context.Context, doing string, err error, sent bool) *Problem {
	if p := new(Problem); errors.As(err, &p) {
		return p
	}
	// The URL in a url.Error has parameters that make a log unreadable.
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	p := &Problem{Class: Network, Sent: sent}
	switch cause := context.Cause(ctx); {
	case errors.Is(err, errRedirect):
		p.Class, p.Reason = HTTPFailure, "redirect"
		p.Advice = "check base_url: it must be the address that answers, not one that redirects"
	case errors.Is(cause, errConnectTimeout):
		p.Reason, err = "connect_timeout", cause
	case cause != nil:
		p.Reason, err = "closed", cause
	default:
		p.Reason, p.Advice = dialReason(err)
	}
	p.Err = fmt.Errorf("%s: %w", doing, err)
	return p
}

// dialReason tells apart why there was no answer.
func dialReason(err error) (reason, advice string) {
	var (
		op          *net.OpError
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, errProxy), errors.As(err, &op) && (op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks")):
		return "proxy", "check proxy_url, and what the proxy allows"
	case errors.As(err, &dns):
		return "dns", "check the host in base_url, and this machine's DNS"
	case errors.As(err, &certificate):
		return "tls", "the server's certificate is not trusted: check base_url, this machine's clock and its certificates, or set tls.root_cas where a proxy intercepts TLS"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "tls", "the server does not speak TLS: check base_url"
	case op != nil && (op.Op == "remote error" || op.Op == "local error"): // an alert of crypto/tls
		return "tls", "the server and this client do not agree on TLS: check base_url and tls"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused", "check base_url: nothing listens there"
	}
	return brokenReason(err), ""
}

// brokenReason tells apart how a connection broke.
func brokenReason(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return "reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN):
		return "unreachable"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "no_response"
	case strings.Contains(err.Error(), "malformed"), strings.Contains(err.Error(), "invalid byte in chunk length"):
		return "malformed_response" // net/http has no error values for these
	}
	return "network"
}

// ending makes a Problem of the error that ended a response; unfinished says
// that the last line lacks its end.
func ending(err error, unfinished bool) *Problem {
	p := &Problem{Class: Network, Sent: true}
	corrupt := flate.CorruptInputError(0)
	switch {
	case errors.Is(err, errDamagedGzip), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		p.Reason, p.Err = "damaged_gzip", errDamagedGzip
	case errors.Is(err, io.ErrUnexpectedEOF):
		p.Reason, p.Err = "cut", errCut
	case errors.Is(err, io.EOF) && unfinished:
		p.Reason, p.Err = "cut_line", errCutLine
	case errors.Is(err, io.EOF):
		p.Reason, p.Err = CleanEnd, errCleanEnd
	default:
		p.Reason, p.Err = brokenReason(err), fmt.Errorf("reading the response: %w", err)
	}
	return p
}
