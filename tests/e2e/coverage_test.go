package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// keptPipeline keeps a checkpoint in files below its working directory, whose
// name is the environment's.
const keptPipeline = `
http: {enabled: false}
shutdown_timeout: 10s
cache_resources: [{label: state, file: {directory: '${STATE}'}}]
input:
  broker:
    inputs:
      - x_stream: {base_url: '%s', bearer_token: '${TOKEN:}', checkpoint_cache: state, repair: {overlap: 100ms}}
output:
  file: {path: posts.jsonl, codec: lines}
`

// ledger is what coverage --json prints of a partition.
type ledger struct {
	Key, Stream    string
	Covered, Gaps  []struct{ From, To time.Time }
	CoveredSeconds float64 `json:"covered_seconds"`
}

func TestCoverageOfARunningAndAStoppedPipeline(t *testing.T) {
	x := startX(t, simulator.Config{Rate: 50})
	dir := filepath.Dir(write(t, "p.yaml", fmt.Sprintf(keptPipeline, x.url)))
	if err := os.Mkdir(filepath.Join(dir, "kept"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STATE", "kept")

	status, out := xconnect(t, dir, "coverage", "-c", "p.yaml")
	if lines := lines(out); status != 1 || len(lines) != 1 || !strings.Contains(out, "holds no checkpoint x_stream.1") {
		t.Errorf("before the first run: status %d:\n%s", status, out)
	}

	cmd := exec.Command(binary(t), "-c", "p.yaml")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TOKEN="+token)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // an error means that it has ended
	eventually(t, 20*time.Second, "a covered period", func() bool {
		status, ledgers := coverageJSON(t, dir)
		return status == 0 && ledgers[0].CoveredSeconds > 1
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b, _ := os.ReadFile(log.Name())
		t.Fatalf("%v; the end of the log:\n%s", err, tail(string(b), 4<<10))
	}
	ended := time.Now()

	_, ledgers := coverageJSON(t, dir)
	l := ledgers[0]
	if l.Key != "x_stream.1" || l.Stream != "filtered" || len(l.Covered) != 1 || len(l.Gaps) != 1 {
		t.Fatalf("after the stop: %+v", l)
	}
	if gap := l.Gaps[0]; gap.To.Before(ended) || !gap.From.Before(ended) {
		t.Errorf("the gap %v does not go on from the end at %s", gap, ended)
	}
	for _, args := range [][]string{
		{"coverage", "-c", "p.yaml"},
		{"-c", "p.yaml", "coverage"},
		{"coverage", "--cache-file", "kept/x_stream.1.a"},
		{"coverage", "-c", "p.yaml", "--set", "input.broker.inputs.0.x_stream.stream=filtered"},
	} {
		status, out := xconnect(t, dir, args...)
		if status != 0 || !strings.Contains(out, "stream filtered") || !strings.Contains(out, "  covered  ") || !strings.Contains(out, "  gap  ") {
			t.Errorf("%v: status %d:\n%s", args, status, out)
		}
	}
}

// coverageJSON is what `coverage --json` says of a config with one partition;
// nothing with any status but 0.
func coverageJSON(t *testing.T, dir string) (status int, ledgers []ledger) {
	t.Helper()
	status, out := xconnect(t, dir, "coverage", "-c", "p.yaml", "--json")
	if status != 0 {
		return status, nil
	}
	if err := json.Unmarshal([]byte(out), &ledgers); err != nil || len(ledgers) != 1 {
		t.Fatalf("%v:\n%s", err, out)
	}
	return status, ledgers
}

func TestCoverageSaysWhatItCannotRead(t *testing.T) {
	dir := filepath.Dir(write(t, "p.yaml", "input: {x_stream: {bearer_token: "+secret+"}}\n"))
	for name, content := range map[string]string{
		"cacheless.yaml": "input: {x_stream: {checkpoint_cache: state, bearer_token: " + secret + "}}\n",
		"cut.a":          `{"checksum":"sha256:`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ args, says string }{
		{"coverage", "-c"},
		{"coverage -c missing.yaml", "missing.yaml"},
		{"coverage -c p.yaml", "checkpoint_cache"},
		{"coverage -c cacheless.yaml", `"state"`},
		{"coverage --cache-file cut.a", "damaged"},
	} {
		status, out := xconnect(t, dir, strings.Fields(c.args)...)
		if lines := lines(out); status != 1 || len(lines) != 1 || !strings.Contains(out, c.says) {
			t.Errorf("%s: status %d, want 1 and one line with %s:\n%s", c.args, status, c.says, out)
		}
	}
}

func TestBufferIsRefusedUnlessItIsAllowed(t *testing.T) {
	const config = "http: {enabled: false}\ncache_resources: [{label: state, memory: {}}]\n" +
		"input: {x_stream: {base_url: 'http://127.0.0.1:1', bearer_token: " + secret + ", checkpoint_cache: state, allow_early_ack: %v}}\nbuffer: {memory: {}}\noutput: {drop: {}}\n"
	dir := filepath.Dir(write(t, configName, fmt.Sprintf(config, false)))
	for _, args := range []string{"-c c.yaml", "run c.yaml", "streams c.yaml", "lint c.yaml"} {
		status, out := xconnect(t, dir, strings.Fields(args)...)
		if lines := lines(out); status != 1 || len(lines) != 1 || !strings.Contains(out, "buffer") || !strings.Contains(out, "allow_early_ack") {
			t.Errorf("%s: status %d, want 1 and one line:\n%s", args, status, out)
		}
	}

	allowed := write(t, "allowed.yaml", fmt.Sprintf(config, true))
	if status, out := xconnect(t, dir, "lint", allowed); status != 0 {
		t.Errorf("lint of what is allowed: status %d:\n%s", status, out)
	}
	cmd := exec.Command(binary(t), "-c", allowed)
	log := write(t, "log", "")
	f, err := os.OpenFile(log, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	eventually(t, 20*time.Second, "the start of what is allowed", func() bool {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(b), "Launching")
	})
}
