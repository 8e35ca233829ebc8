package plugin

import (
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// Each wrong config is one clear line from the linter, and one from the
// constructor for a config that is run without being linted.
func TestWrongConfigs(t *testing.T) {
	const token = "bearer_token: s3cret\n"
	for name, c := range map[string]struct {
		config string
		says   string // in the lint
		also   string // in the constructor's error, where it differs
	}{
		"unknown stream":                    {token + "stream: firehoes", "firehoes", ""},
		"partition out of range":            {token + "stream: sample10\npartitions: [1, 3]", "between 1 and 2", "3 is not one of the 2 partitions"},
		"partition 0":                       {token + "stream: sample10\npartitions: [0]", "between 1 and 2", "0 is not one of the 2 partitions"},
		"partition twice":                   {token + "stream: firehose\npartitions: [4, 5, 4]", "stands there twice", ""},
		"partition of a stream without":     {token + "partitions: [1]", "stream filtered has none", ""},
		"zero connections":                  {token + "connections: 0", "greater than zero", "connections"},
		"more connections than X allows":    {token + "connections: 3", "allow_more_connections", ""},
		"more over all partitions":          {token + "stream: firehose\nconnections: 2", "40", "more than the 20"},
		"no local address":                  {token + "networks: [{local_address: eth0}]", "IP address", "networks, entry 1: local_address"},
		"no proxy in a network":             {token + "networks: [{}, {proxy_url: 'ftp://a'}]", "networks", "networks, entry 2: proxy_url"},
		"powertrack":                        {token + "stream: powertrack", "needs Basic authentication", ""},
		"no credential":                     {"stream: sample", "exactly one of bearer_token", "set it to the app's bearer token"},
		"token and token file":              {token + "bearer_token_file: /a", "exactly one of bearer_token", "exclude each other"},
		"token and key":                     {token + "api_key: a\napi_secret: b", "exactly one of bearer_token", "exclude each other"},
		"key without secret":                {"api_key: a", "belong together", ""},
		"secret without key":                {"api_secret: a", "belong together", ""},
		"token over plain http":             {token + "base_url: http://api.x.com", "https://", "use https"},
		"token over plain http, look-alike": {token + "base_url: http://localhost.example.com", "https://", "use https"},
		"base url of another kind":          {token + "base_url: ftp://api.x.com", "https://", "neither https"},
		"reserved parameter":                {token + "parameters: {backfill_minutes: '5'}", "backfill_minutes cannot be set", "backfill_minutes"},
		"unknown parameter":                 {token + "parameters: {tweets.fields: id}", "tweets.fields cannot be set", "tweets.fields"},
		"zero connect_timeout":              {token + "connect_timeout: 0s", "greater than zero", ""},
		"negative heartbeat_timeout":        {token + "heartbeat_timeout: -1s", "greater than zero", ""},
		"heartbeat_timeout below X's":       {token + "heartbeat_timeout: 20s", "longer than the time between", "not longer than the 20s"},
		"zero silence_timeout":              {token + "silence_timeout: 0s", "greater than zero", ""},
		"no duration":                       {token + "connect_timeout: soon", "greater than zero", "connect_timeout"},
		"zero overlap":                      {token + "repair: {overlap: 0s}", "greater than zero", "repair.overlap"},
		"negative dedupe.max_age":           {token + "dedupe: {max_age: -1s}", "not negative", "dedupe.max_age"},
		"unknown repair.backfill":           {token + "repair: {backfill: some}", "some", ""},
		"zero queue":                        {token + "queue_bytes: 0", "greater than zero", "queue_bytes"},
		"negative in_flight_bytes":          {token + "in_flight_bytes: -5", "greater than zero", "in_flight_bytes"},
		"zero max_line_bytes":               {token + "max_line_bytes: 0", "greater than zero", "max_line_bytes"},
		"zero max_batch":                    {token + "max_batch: 0", "greater than zero", "max_batch"},
		"zero dedupe.capacity":              {token + "dedupe: {capacity: 0}\nmax_batch: 1", "greater than zero", "dedupe.capacity"},
		"batch larger than the window":      {token + "dedupe: {capacity: 10}", "must not be more than the share", "dedupe.capacity (10)"},
		"batch larger than a partition's":   {token + "stream: sample10\ndedupe: {capacity: 1999}", "must not be more than the share", "dedupe.capacity (999)"},
		"unknown repair method":             {token + "repair: {methods: [backfill, magic]}", "backfill, recovery and search only", "repair.methods"},
		"negative repair.max_age":           {token + "repair: {max_age: -1s}", "not negative", "repair.max_age"},
		"zero repair.window":                {token + "repair: {window: 0s}", "greater than zero", "repair.window"},
		"zero repair.max_jobs":              {token + "repair: {max_jobs: 0}", "greater than zero", "repair.max_jobs"},
		"unknown search endpoint":           {token + "repair: {search: {endpoint: old}}", "old", "repair.search.endpoint"},
		"negative search.max_posts":         {token + "repair: {search: {max_posts: -1}}", "not be negative", "repair.search.max_posts"},
		"start_from that is no time":        {token + "start_from: yesterday", "start_from must be a time", "neither a time"},
		"start_from that is ahead":          {token + "start_from: 6h", "start_from must be a time", "neither a time"},
		"empty checkpoint_key":              {token + "checkpoint_key: ''", "checkpoint_key must not be empty", "checkpoint_key"},
		"long checkpoint_interval":          {token + "checkpoint_interval: 1m", "at most 3s", "at most 3s"},
		"unknown field":                     {token + "bearer_tokn: a", "bearer_tokn", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			yaml := "x_stream:\n" + indent(c.config)
			lints := lint(t, yaml)
			if len(lints) != 1 || !strings.Contains(lints[0], c.says) {
				t.Errorf("lints:\n%s\nwant one with %q", strings.Join(lints, "\n"), c.says)
			}
			says := c.also
			if says == "-" {
				return
			}
			if says == "" {
				says = c.says
			}
			err := construct(t, c.config)
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the constructor says: %v\nwant one line with %q", err, says)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error holds the token: %v", err)
			}
		})
	}
}

func TestRightConfigs(t *testing.T) {
	for name, config := range map[string]string{
		"token":              "bearer_token: a",
		"token file":         "bearer_token_file: /run/secrets/token",
		"key and secret":     "api_key: a\napi_secret: b",
		"this machine":       "bearer_token: a\nbase_url: http://127.0.0.1:8080",
		"this machine, v6":   "bearer_token: a\nbase_url: http://[::1]:8080",
		"this machine, name": "bearer_token: a\nbase_url: http://localhost:8080/",
		"fields":             "bearer_token: a\nstream: sample\nparameters: {tweet.fields: 'created_at,lang', expansions: author_id}",
		"start at a time":    "bearer_token: a\nstart_from: 2026-01-02T15:04:05Z",
		"start before now":   "bearer_token: a\nstart_from: -6h",
		"no repair":          "bearer_token: a\nrepair: {methods: []}",
		"a partition":        "bearer_token: a\nstream: firehose\npartitions: [20]\nconnections: 20",
		"by contract":        "bearer_token: a\nstream: firehose\nconnections: 2\nallow_more_connections: true",
		"no published limit": "bearer_token: a\nstream: likes_firehose\nconnections: 5",
		"networks":           "bearer_token: a\nconnections: 2\nnetworks: [{local_address: 127.0.0.2}, {local_address: '::1', proxy_url: 'http://p:3128'}, {}]",
		"everything": `
bearer_token: a
stream: sample10
partitions: [2]
connections: 2
allow_more_connections: false
networks: [{local_address: 127.0.0.1}]
connect_timeout: 3s
heartbeat_timeout: 1m
silence_timeout: 10m
max_line_bytes: 1000
queue_bytes: 1000
in_flight_bytes: 1000
max_batch: 10
repair: {overlap: 1m, backfill: max}
dedupe: {capacity: 10, max_age: 1h}
event_metadata: false
proxy_url: socks5://user:password@proxy:1080
tls: {skip_cert_verify: true}
auto_replay_nacks: false`,
	} {
		t.Run(name, func(t *testing.T) {
			yaml := "x_stream:\n" + indent(config)
			if lints := lint(t, yaml); len(lints) != 0 {
				t.Errorf("lints:\n%s", strings.Join(lints, "\n"))
			}
			if err := construct(t, config); err != nil {
				t.Error(err)
			}
		})
	}
}

// lint returns what `xconnect lint` would print of an input.
func lint(t *testing.T, yaml string) []string {
	t.Helper()
	linter := service.GlobalEnvironment().NewComponentConfigLinter()
	lints, err := linter.LintInputYAML([]byte(yaml))
	if err != nil {
		return []string{err.Error()}
	}
	var all []string
	for _, l := range lints {
		all = append(all, l.Error())
	}
	return all
}

// construct builds an input from a config that nobody linted.
func construct(t *testing.T, config string) error {
	t.Helper()
	conf, err := inputSpec().ParseYAML(config, nil)
	if err != nil {
		return err
	}
	_, err = newInput(conf, service.MockResources(), nil)
	return err
}
