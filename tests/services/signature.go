package services

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request signs a request with AWS' Signature Version 4.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func (s3 *S3) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, s3.Endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Close = true
	req.URL.RawPath = canonicalPath(req.URL.Path)
	var (
		now   = time.Now().UTC()
		at    = now.Format("20060102T150405Z")
		scope = now.Format("20060102") + "/" + s3.Region + "/s3/aws4_request"
		sum   = sha256Hex(body)
		names = "host;x-amz-content-sha256;x-amz-date"
	)
	req.Header.Set("X-Amz-Date", at)
	req.Header.Set("X-Amz-Content-Sha256", sum)
	canonical := strings.Join([]string{
		method,
		req.URL.RawPath,
		strings.ReplaceAll(req.URL.Query().Encode(), "+", "%20"),
		"host:" + req.URL.Host,
		"x-amz-content-sha256:" + sum,
		"x-amz-date:" + at,
		"",
		names,
		sum,
	}, "\n")
	key := []byte("AWS4" + s3.SecretKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = hmacSHA256(key, part)
	}
	signature := hmacSHA256(key, strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, sha256Hex([]byte(canonical))}, "\n"))
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%x",
		s3.AccessKey, scope, names, signature))
	return req, nil
}

// canonicalPath escapes more than a URL must: signatures want it so.
func canonicalPath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	return strings.Join(segments, "/")
}

func hmacSHA256(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
