package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// version is of the record's layout. A later one may change everything but
// this, or an older reader could not tell it from damage: a value is
// {"checksum": "sha256:...", "record": {...}}, the checksum is that of the
// record's bytes as they stand there, and the record has a number "version".
const version = 1

// Identity is what a record is of. Its strings are valid UTF-8.
type Identity struct {
	Host      string `json:"host"` // of X's API
	Stream    string `json:"stream"`
	Partition int    `json:"partition"`
	Account   string `json:"account,omitempty"`
	Label     string `json:"label,omitempty"`
}

// foreign returns ErrForeign, saying what differs, unless got is want.
func foreign(key string, got, want Identity) error {
	if got == want {
		return nil
	}
	var differs []string
	for _, f := range []struct{ name, got, want string }{
		{"host", got.Host, want.Host},
		{"stream", got.Stream, want.Stream},
		{"partition", fmt.Sprint(got.Partition), fmt.Sprint(want.Partition)},
		{"account", got.Account, want.Account},
		{"label", got.Label, want.Label},
	} {
		if f.got != f.want {
			differs = append(differs, fmt.Sprintf("%s %q, here %q", f.name, f.got, f.want))
		}
	}
	return fmt.Errorf("checkpoint %q %w (%s): give this stream another checkpoint_key", key, ErrForeign, strings.Join(differs, "; "))
}

// record is what is saved, as JSON that people can read.
//
// Owner and Sequence together are the owner's mark. Every save counts the
// sequence up, so a mark that stands still is one that nobody saves under.
type record struct {
	Version    int             `json:"version"`
	Sequence   uint64          `json:"sequence"`
	Owner      string          `json:"owner"`
	Released   bool            `json:"released,omitempty"` // the owner has ended, and said so
	IntervalMS int64           `json:"interval_ms"`        // the owner's longest time between two saves
	SavedAt    time.Time       `json:"saved_at"`
	Identity   Identity        `json:"identity"`
	Payload    json.RawMessage `json:"payload,omitempty"` // missing: nothing was saved yet
}

// envelope is what stands in the store.
type envelope struct {
	Checksum string          `json:"checksum"`
	Record   json.RawMessage `json:"record"`
}

// checksum is a SHA-256 rather than a CRC: a slot can hold the beginning of one
// record and the end of another, which is not the kind of error that a CRC is
// sure to find, and people can check it with sha256sum.
func checksum(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func encode(r record) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // it would make a payload larger and harder to read
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("encoding a record: %w", err)
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return fmt.Appendf(nil, `{"checksum":%q,"record":%s}`, checksum(body), body), nil
}

// decode reads what encode made. Of a newer version it reads the version only.
// Its errors go on after "it".
func decode(value []byte) (*record, error) {
	var e envelope
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, fmt.Errorf("is cut short or no record (%d bytes)", len(value))
	}
	if e.Checksum != checksum(e.Record) {
		return nil, errors.New("does not match its checksum")
	}
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(e.Record, &v); err != nil {
		return nil, errors.New("has no version")
	}
	if v.Version > version {
		return &record{Version: v.Version}, nil
	}
	var r record
	if err := json.Unmarshal(e.Record, &r); err != nil {
		return nil, errors.New("has fields of other types")
	}
	if r.Version != version || r.Owner == "" || r.Sequence == 0 {
		return nil, errors.New("lacks a version, an owner or a sequence number")
	}
	return &r, nil
}
