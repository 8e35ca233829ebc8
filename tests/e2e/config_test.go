package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// secret stands in every credential of the configs below, and must not be
// printed.
const secret = "s3cret-of-a-wrong-config"

const withToken = "bearer_token: " + secret + "\n"

// wrongConfigs are configs of x_stream that can never work, each with the field
// and the reason that the user must be told.
var wrongConfigs = []struct {
	name, config  string
	field, reason string
}{
	{"unknown stream", withToken + "stream: firehoze", "stream", "firehoze"},
	{"a partition that the stream has not", withToken + "stream: sample10\npartitions: [3]", "partitions", "2"},
	{"powertrack", withToken + "stream: powertrack", "stream", "powertrack"},

	{"no credential", "stream: filtered", "bearer_token", "set"},
	{"token and token file", withToken + "bearer_token_file: /run/secrets/token", "bearer_token", "exactly one"},
	{"token and key", withToken + "api_key: " + secret + "\napi_secret: " + secret, "bearer_token", "exactly one"},
	{"token file and key", "bearer_token_file: /run/secrets/token\napi_key: " + secret + "\napi_secret: " + secret, "bearer_token_file", "exactly one"},
	{"all three", withToken + "bearer_token_file: /run/secrets/token\napi_key: " + secret + "\napi_secret: " + secret, "bearer_token", "exactly one"},
	{"key without secret", "api_key: " + secret, "api_secret", "both"},
	{"secret without key", "api_secret: " + secret, "api_key", "both"},

	{"token in the clear", withToken + "base_url: http://api.x.com", "base_url", "in the clear"},
	{"token in the clear to what looks like this machine", withToken + "base_url: http://127.0.0.1.example.com:8080", "base_url", "in the clear"},
	{"token in the clear behind a user", withToken + "base_url: http://127.0.0.1:80@example.com", "base_url", ""},
	{"no URL", withToken + "base_url: api.x.com", "base_url", "https"},

	{"reserved parameter", withToken + `parameters: {backfill_minutes: "5"}`, "parameters", "backfill_minutes"},
	{"unknown parameter", withToken + `parameters: {tweet.feilds: lang}`, "parameters", "tweet.feilds"},

	{"connect_timeout zero", withToken + "connect_timeout: 0s", "connect_timeout", "greater than zero"},
	{"connect_timeout negative", withToken + "connect_timeout: -1s", "connect_timeout", "greater than zero"},
	{"connect_timeout no duration", withToken + "connect_timeout: soon", "connect_timeout", "duration"},
	{"heartbeat_timeout zero", withToken + "heartbeat_timeout: 0s", "heartbeat_timeout", "greater than zero"},
	{"heartbeat_timeout negative", withToken + "heartbeat_timeout: -25s", "heartbeat_timeout", "greater than zero"},
	{"silence_timeout zero", withToken + "silence_timeout: 0s", "silence_timeout", "greater than zero"},
	{"silence_timeout negative", withToken + "silence_timeout: -1m", "silence_timeout", "greater than zero"},
	{"repair.overlap zero", withToken + "repair: {overlap: 0s}", "overlap", "greater than zero"},
	{"repair.overlap negative", withToken + "repair: {overlap: -30s}", "overlap", "greater than zero"},
	{"dedupe.max_age negative", withToken + "dedupe: {max_age: -1s}", "max_age", "negative"},

	{"max_line_bytes zero", withToken + "max_line_bytes: 0", "max_line_bytes", "greater than zero"},
	{"queue_bytes zero", withToken + "queue_bytes: 0", "queue_bytes", "greater than zero"},
	{"in_flight_bytes negative", withToken + "in_flight_bytes: -1", "in_flight_bytes", "greater than zero"},
	{"max_batch zero", withToken + "max_batch: 0", "max_batch", "greater than zero"},
	{"dedupe.capacity zero", withToken + "dedupe: {capacity: 0}", "capacity", "greater than zero"},
	{"max_batch beyond the window", withToken + "max_batch: 10\ndedupe: {capacity: 5}", "max_batch", "dedupe.capacity"},
	{"repair.backfill unknown", withToken + "repair: {backfill: most}", "backfill", "most"},
}

func TestWrongConfigIsOneClearLine(t *testing.T) {
	for _, c := range wrongConfigs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := configDir(t, c.config)
			says := regexp.MustCompile(`\b` + regexp.QuoteMeta(c.field) + `\b.*` + regexp.QuoteMeta(c.reason) +
				`|` + regexp.QuoteMeta(c.reason) + `.*\b` + regexp.QuoteMeta(c.field) + `\b`)

			t.Run("lint", func(t *testing.T) {
				status, out := xconnect(t, dir, "lint", configName)
				if status == 0 {
					t.Error("lint accepts it")
				}
				if lines := lines(out); len(lines) != 1 || !says.MatchString(lines[0]) {
					t.Errorf("want one line that matches %s, got:\n%s", says, out)
				}
			})
			t.Run("start", func(t *testing.T) {
				status, out := xconnect(t, dir, "-c", configName)
				if status != 1 {
					t.Errorf("status %d, want 1", status)
				}
				// Benthos' own closing line may follow.
				if lines := lines(out); len(lines) < 1 || len(lines) > 2 || !says.MatchString(lines[0]) {
					t.Errorf("want one line that matches %s, then at most a closing one, got:\n%s", says, out)
				}
			})
			t.Run("chilled", func(t *testing.T) {
				status, out := xconnect(t, dir, "run", "--chilled", configName)
				if status != 1 {
					t.Errorf("status %d, want 1", status)
				}
				lines := lines(out)
				if len(lines) == 0 {
					t.Fatal("it says nothing")
				}
				if last := lines[len(lines)-1]; !strings.Contains(last, "failed to init input") || !says.MatchString(last) {
					t.Errorf("the constructor's line does not match %s:\n%s", says, out)
				}
			})
		})
	}
}

func TestEchoHidesSecrets(t *testing.T) {
	for _, config := range []string{withToken, "api_key: " + secret + "\napi_secret: " + secret,
		withToken + "proxy_url: http://user:" + secret + "@proxy:3128"} {
		if status, out := xconnect(t, configDir(t, config), "echo", configName); status != 0 || !strings.Contains(out, "x_stream") {
			t.Errorf("status %d:\n%s", status, out)
		}
	}
}

func TestGoodConfigIsNotLinted(t *testing.T) {
	for _, config := range []string{
		withToken,
		"bearer_token_file: /run/secrets/token\nstream: sample",
		"api_key: " + secret + "\napi_secret: " + secret,
		withToken + "base_url: http://127.0.0.1:8080",
		withToken + "base_url: http://localhost",
		withToken + "base_url: 'http://[::1]:8080'",
		withToken + `parameters: {tweet.fields: "created_at,lang", expansions: author_id}`,
		withToken + "heartbeat_timeout: 21s\nsilence_timeout: 10m\nrepair: {overlap: 1m, backfill: max}\ndedupe: {max_age: 1h}",
	} {
		if status, out := xconnect(t, configDir(t, config), "lint", configName); status != 0 || out != "" {
			t.Errorf("status %d for\n%s\n%s", status, config, out)
		}
	}
}

// configName is the file of a pipeline in a directory of its own. It holds none
// of the fields' names, as the directory's path may.
const configName = "c.yaml"

// configDir writes a pipeline with a config of x_stream.
func configDir(t *testing.T, config string) string {
	t.Helper()
	config = strings.ReplaceAll(strings.TrimSpace(config), "\n", "\n    ")
	return filepath.Dir(write(t, configName, fmt.Sprintf("http: {enabled: false}\ninput:\n  x_stream:\n    %s\noutput:\n  drop: {}\n", config)))
}

// xconnect runs the binary in a directory to its end, and returns its status and
// what it printed, which must hold no secret.
func xconnect(t *testing.T, dir string, args ...string) (status int, out string) {
	t.Helper()
	path := binary(t) // may take minutes
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	b, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%v goes on:\n%s", args, b)
	}
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		status = failed.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), secret) {
		t.Errorf("%v prints a secret:\n%s", args, b)
	}
	return status, string(b)
}

// lines are the lines that tell of a problem.
func lines(out string) []string {
	var lines []string
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "level=info") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
