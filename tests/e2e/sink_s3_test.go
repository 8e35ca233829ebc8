package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/xconnect-dev/xconnect/tests/services"
)

type s3 struct{ *services.S3 }

func startS3(t *testing.T) s3 {
	t.Helper()
	return s3{services.StartS3(t)}
}

func (s s3) each(t *testing.T, f func(id uint64, event []byte)) {
	t.Helper()
	for _, key := range s.keys(t) {
		object, err := gzip.NewReader(bytes.NewReader(s.ask(t, "/"+s.Bucket+"/"+key)))
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		lines, err := io.ReadAll(object)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		for line := range bytes.Lines(lines) {
			event, whole := bytes.CutSuffix(line, []byte("\n"))
			id, err := postID(event)
			if err != nil || !whole {
				t.Fatalf("%s: line %.100q: %v", key, line, err)
			}
			if folder := created(id).UTC().Format("posts/date=2006-01-02/hour=15/"); !strings.HasPrefix(key, folder) {
				t.Errorf("Post %d is in %s, not in %s", id, key, folder)
			}
			f(id, event)
		}
	}
}

// keys lists the bucket.
func (s s3) keys(t *testing.T) (keys []string) {
	t.Helper()
	for next := ""; ; {
		var page struct {
			Contents []struct{ Key string }
			Next     string `xml:"NextContinuationToken"`
		}
		query := url.Values{"list-type": {"2"}, "prefix": {"posts/"}}
		if next != "" {
			query.Set("continuation-token", next)
		}
		if err := xml.Unmarshal(s.ask(t, "/"+s.Bucket+"?"+query.Encode()), &page); err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Contents {
			keys = append(keys, object.Key)
		}
		if next = page.Next; next == "" {
			return keys
		}
	}
}

func (s s3) ask(t *testing.T, path string) []byte {
	t.Helper()
	status, body, err := s.Do(t.Context(), http.MethodGet, path, nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET %s: status %d: %.300s (%v)", path, status, body, err)
	}
	return body
}

func (s3) same(sent, stored []byte) error { return sameBytes(sent, stored) }

// sameBytes is same of a sink that keeps bytes.
func sameBytes(sent, stored []byte) error {
	if !bytes.Equal(sent, stored) {
		return errors.New("the bytes differ")
	}
	return nil
}
