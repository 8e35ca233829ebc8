package plugin

import (
	"slices"
	"strings"
	"testing"
)

func TestCheckpointOf(t *testing.T) {
	for _, c := range []struct {
		name, config string
		cache        string
		keys         []string
		early        bool
	}{
		{"none", `bearer_token: a`, "", []string{"x_stream.1"}, false},
		{"without a token", `checkpoint_cache: state`, "state", []string{"x_stream.1"}, false},
		{"key", "checkpoint_cache: state\ncheckpoint_key: mine\nallow_early_ack: true", "state", []string{"mine.1"}, true},
		{"some partitions", `{"stream": "firehose", "partitions": [3, 7], "checkpoint_cache": "state"}`, "state", []string{"x_stream.3", "x_stream.7"}, false},
		{"all partitions", "stream: sample10\ncheckpoint_cache: state", "state", []string{"x_stream.1", "x_stream.2"}, false},
	} {
		got, err := CheckpointOf([]byte(c.config))
		if err != nil || got.Cache != c.cache || !slices.Equal(got.Keys, c.keys) || got.AllowEarlyAck != c.early {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	for config, says := range map[string]string{
		`stream: firehoze`:         "firehoze",
		`partitions: [one]`:        "x_stream",
		`{checkpoint_cache: [a]}`:  "checkpoint_cache",
		"checkpoint_cache: state:": "x_stream",
	} {
		if _, err := CheckpointOf([]byte(config)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q in it", config, err, says)
		}
	}
}
