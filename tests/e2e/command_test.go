package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBareCommandSaysWhatToTry(t *testing.T) {
	status, out := xconnect(t, t.TempDir())
	for _, command := range []string{"xconnect demo", "xconnect simulate", "xconnect -c pipeline.yaml"} {
		if status != 0 || !strings.Contains(out, command) {
			t.Errorf("status %d, and no %q in:\n%s", status, command, out)
		}
	}
}

func TestCommandsKnowXStream(t *testing.T) {
	const pipeline = `
input: {x_stream: {bearer_token: a}}
pipeline: {processors: [{mapping: 'root.id = this.data.id'}]}
output: {drop: {}}
tests:
  - name: takes the ID
    input_batch: [{json_content: {data: {id: "7"}}}]
    output_batches: [[{json_equals: {id: "7"}}]]
`
	dir := filepath.Dir(write(t, "pipeline.yaml", pipeline))
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"list", "inputs"}, "x_stream"},
		{[]string{"create", "x_stream//stdout"}, "heartbeat_timeout"},
		{[]string{"lint", "pipeline.yaml"}, ""},
		{[]string{"test", "pipeline.yaml"}, "succeeded"},
		{[]string{"streams", "--help"}, "streams"},
		{[]string{"--version"}, "Version"},
	} {
		if status, out := xconnect(t, dir, c.args...); status != 0 || !strings.Contains(out, c.says) {
			t.Errorf("%v: status %d, want 0 and %q in:\n%s", c.args, status, c.says, out)
		}
	}
}

var verdict = regexp.MustCompile(`(?m)^  (published|delivered|repeated|lost) +(\d+)`)

// verdictOf are the figures at the end of the demo.
func verdictOf(t *testing.T, out string) map[string]int {
	t.Helper()
	figures := map[string]int{}
	for _, m := range verdict.FindAllStringSubmatch(out, -1) {
		figures[m[1]], _ = strconv.Atoi(m[2])
	}
	if len(figures) != 4 || figures["published"] == 0 || figures["delivered"] != figures["published"] || figures["lost"] != 0 || figures["repeated"] != 0 {
		t.Errorf("verdict %v in:\n%s", figures, out)
	}
	return figures
}

func TestDemo(t *testing.T) {
	long(t)
	dir := t.TempDir()
	cmd := exec.Command(binary(t), "demo", "--dir", dir)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if took := time.Since(began); err != nil || took > 90*time.Second {
		t.Errorf("%v after %s", err, took)
	}
	figures := verdictOf(t, string(out))
	if n := strings.Count(string(out), "connection lost"); n < 4 {
		t.Errorf("the connection was lost %d times", n)
	}
	posts, err := os.ReadFile(filepath.Join(dir, "posts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(posts), "\n"); lines < figures["published"] {
		t.Errorf("%d lines for %d Posts", lines, figures["published"])
	}
}

func TestInterruptedDemoStillJudges(t *testing.T) {
	long(t)
	cmd := exec.Command(binary(t), "demo", "--dir", t.TempDir())
	time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGINT) })
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	verdictOf(t, string(out))
}
