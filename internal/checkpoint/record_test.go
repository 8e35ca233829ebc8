package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func encoded(t testing.TB, r record) []byte {
	t.Helper()
	value, err := encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestRecordComesBackAsItWas(t *testing.T) {
	for _, payload := range []string{"", "null", "0", `{}`, `{"z":1,"a":"<&>\u2028é","n":12345678901234567890123}`, `["` + strings.Repeat("x", 1000) + `"]`} {
		r := stored(7, payload)
		if payload == "" {
			r.Payload = nil
		}
		r.Identity = Identity{Host: "h", Stream: "s", Partition: 20, Account: `a"b`, Label: "prod"}
		got, err := decode(encoded(t, r))
		if err != nil {
			t.Fatalf("payload %.40s: %v", payload, err)
		}
		if !reflect.DeepEqual(*got, r) {
			t.Errorf("%+v came back as %+v", r, *got)
		}
	}
}

// A user looks at a record with the tools of the store, so names are part of
// what is promised.
func TestRecordIsReadable(t *testing.T) {
	const body = `{"version":1,"sequence":7,"owner":"before","released":true,"interval_ms":1000,"saved_at":"2026-11-22T10:00:00Z",` +
		`"identity":{"host":"https://api.x.com","stream":"filtered","partition":0},"payload":{"url":"https://x.com/?a&b"}}`
	want := fmt.Sprintf(`{"checksum":"sha256:%x","record":%s}`, sha256.Sum256([]byte(body)), body)
	if got := string(encoded(t, stored(7, `{"url":"https://x.com/?a&b"}`))); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestNoDamageGoesUnnoticed(t *testing.T) {
	r := stored(7, `{"until":"2026-11-22T10:00:00Z"}`)
	whole := encoded(t, r)
	for n := range whole {
		if got, err := decode(whole[:n]); err == nil {
			t.Fatalf("cut at byte %d: %+v", n, got)
		}
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[n] ^= 1 << bit
			// The envelope's own names may be written in either case.
			if got, err := decode(damaged); err == nil && !reflect.DeepEqual(*got, r) {
				t.Fatalf("bit %d of byte %d: %+v", bit, n, got)
			}
		}
	}
}

func TestRecordWithoutWhatItNeedsIsDamaged(t *testing.T) {
	for name, body := range map[string]string{
		"no version":            `{"sequence":1,"owner":"o"}`,
		"version 0":             `{"version":0,"sequence":1,"owner":"o"}`,
		"version -1":            `{"version":-1,"sequence":1,"owner":"o"}`,
		"a version in words":    `{"version":"1","sequence":1,"owner":"o"}`,
		"no sequence":           `{"version":1,"owner":"o"}`,
		"no owner":              `{"version":1,"sequence":1}`,
		"a sequence below zero": `{"version":1,"sequence":-1,"owner":"o"}`,
		"no object":             `[1]`,
	} {
		if got, err := decode(sealed(body)); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, err := decode(sealed(`{"version":1,"sequence":1,"owner":"o"}`)); err != nil {
		t.Errorf("with all of it: %v", err)
	}
}

// sealed puts body, which need not be a record, under a checksum that is right.
func sealed(body string) []byte {
	return []byte(`{"checksum":"` + checksum([]byte(body)) + `","record":` + body + `}`)
}

func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, stored(7, `{"a":1}`)))
	f.Add(encoded(f, stored(1, `null`))[:40])
	f.Add(sealed(`{"version":2,"sequence":"x"}`))
	f.Add(sealed(`{"version":1,"sequence":1,"owner":"o","interval_ms":-5}`))
	f.Add([]byte(`{"record":null}`))
	f.Add([]byte(`{"version":1,"sequence":1,"owner":"o","payload":{"a":[1,2]}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		decode(in)
		// A fuzzer does not find checksums: what it says as a record is sealed.
		if !json.Valid(in) {
			return
		}
		r, err := decode(sealed(string(in)))
		if err != nil || r.Version > version {
			return
		}
		again, err := encode(*r)
		if err != nil {
			t.Fatalf("%s cannot be written again: %v", in, err)
		}
		second, err := decode(again)
		if err != nil {
			t.Fatalf("%s, written as %s: %v", in, again, err)
		}
		if second.Sequence != r.Sequence || second.Owner != r.Owner || second.Released != r.Released || second.IntervalMS != r.IntervalMS ||
			second.Identity != r.Identity || !second.SavedAt.Equal(r.SavedAt) || !bytes.Equal(second.Payload, compact(t, r.Payload)) {
			t.Errorf("%+v became %+v", r, second)
		}
	})
}

func compact(t *testing.T, payload []byte) []byte {
	if payload == nil {
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, payload); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
