package checkpoint

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDecodeReadsOneSlot(t *testing.T) {
	saved := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	good := record{Version: version, Sequence: 7, Owner: "a", SavedAt: saved, Identity: Identity{Host: "api.x.com", Stream: "firehose", Partition: 3}, Payload: []byte(`{"n":1}`)}
	value, err := encode(good)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Decode(value)
	if err != nil || r.Identity != good.Identity || !r.SavedAt.Equal(saved) || string(r.Payload) != `{"n":1}` {
		t.Errorf("%+v, %v", r, err)
	}

	newer := good
	newer.Version++
	later, err := encode(newer)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		value []byte
		want  error
	}{
		{"cut short", value[:len(value)-3], ErrDamaged},
		{"changed", []byte(strings.Replace(string(value), "firehose", "filtered", 1)), ErrDamaged},
		{"the sign", []byte(`{"slots":["x_stream.1.a","x_stream.1.b"]}`), ErrDamaged},
		{"empty", nil, ErrDamaged},
		{"newer", later, ErrNewer},
	} {
		if r, err := Decode(c.value); !errors.Is(err, c.want) || r.Payload != nil {
			t.Errorf("%s: %+v, %v, want %v", c.name, r, err, c.want)
		}
	}
}
