package xapi

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStreams(t *testing.T) {
	want := []string{
		"filtered", "sample", "sample10", "firehose", "firehose_en", "firehose_ja", "firehose_ko", "firehose_pt",
		"likes_firehose", "likes_sample10", "post_compliance", "user_compliance", "like_compliance", "post_labels",
		"activity", "powerstream", "powertrack",
	}
	var got []string
	paths := map[string]bool{}
	for _, s := range Streams() {
		got = append(got, s.Name)
		if s.Title == "" || !strings.HasPrefix(s.Path, "/") || paths[s.Path] {
			t.Errorf("%s: title %q, path %q", s.Name, s.Title, s.Path)
		}
		paths[s.Path] = true
		if s.Watchdog != s.Heartbeat+5*time.Second || s.Overlap < 30*time.Second || s.Overlap > 2*time.Minute {
			t.Errorf("%s: heartbeat %s, watchdog %s, overlap %s", s.Name, s.Heartbeat, s.Watchdog, s.Overlap)
		}
		if s.Connects.Count <= 0 || s.Connects.Per <= 0 {
			t.Errorf("%s: connects %+v", s.Name, s.Connects)
		}
		if (s.Partitions > 0) != (s.Params.Partition != "") || s.Backfill != (s.Params.Backfill != "") ||
			s.Recovery != (s.Params.Start != "") || s.Recovery != (s.Params.End != "") {
			t.Errorf("%s: parameters %+v", s.Name, s.Params)
		}
		if s.Search && s.RulesPath == "" || (s.RulesPath != "") != (s.ruleExample != "") {
			t.Errorf("%s: rules at %q", s.Name, s.RulesPath)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("streams %v, want %v", got, want)
	}
}

func TestStreamsIsACopy(t *testing.T) {
	streams := Streams()
	streams[0].Path, streams[0].Fields[0] = "/other", "other"
	if s, ok := Lookup("filtered"); !ok || s.Path == "/other" || s.Fields[0] == "other" {
		t.Errorf("the catalogue was changed: %+v", s)
	}
	if _, ok := Lookup("Filtered"); ok {
		t.Error("found a stream that is none")
	}
}

func TestCheckParameters(t *testing.T) {
	compliance, _ := Lookup("post_compliance")
	tests := []struct {
		stream Stream
		name   string
		says   string
	}{
		{filtered, "tweet.fields", ""},
		{filtered, "backfill_minutes", "set by xconnect itself"},
		{filtered, "start_time", "set by xconnect itself"},
		{filtered, "partition", "unknown to stream filtered, which takes: tweet.fields, expansions"},
		{filtered, "", "no name"},
		{compliance, "partition", "set by xconnect itself"},
		{compliance, "tweet.fields", "takes: none"},
	}
	for _, test := range tests {
		err := test.stream.CheckParameters(map[string]string{test.name: "x"})
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s %q: %v, want %q", test.stream.Name, test.name, err, test.says)
		}
	}
}
