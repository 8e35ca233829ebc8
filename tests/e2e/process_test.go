package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shutdownTimeout is what the pipelines of these tests set.
const shutdownTimeout = 20 * time.Second

// process is a running `xconnect -c`, from x_stream to a file of JSON lines.
type process struct {
	*testing.T
	cmd      *exec.Cmd
	address  string        // of Benthos' HTTP server
	shutdown time.Duration // the pipeline's shutdown_timeout
	output   string        // path; empty where it is no file
	logs     string        // path
	ended    chan struct{}
}

const pipeline = `
http: {address: '%s'}
logger: {format: json}
metrics: {prometheus: {}}
shutdown_timeout: %s
input:
  x_stream:
    base_url: %s
    %s
output:
  file: {path: '%s', codec: lines}
`

// startProcess runs a pipeline from x with more fields of x_stream's config, a
// line each. It is ended with the test if it has not ended before.
func startProcess(t *testing.T, x *fakeX, fields string) *process {
	t.Helper()
	output := filepath.Join(t.TempDir(), "posts.jsonl")
	p := startPipeline(t, func(address string) string {
		return fmt.Sprintf(pipeline, address, shutdownTimeout, x.url, strings.ReplaceAll(fields, "\n", "\n    "), output)
	})
	p.output = output
	return p
}

// startPipeline runs a config that serves HTTP at the address that it is given.
func startPipeline(t *testing.T, config func(address string) string) *process {
	t.Helper()
	address := freeAddress(t)
	return launch(t, exec.Command(binary(t), "-c", write(t, "pipeline.yaml", config(address))), address, shutdownTimeout)
}

// launch starts a command that runs a pipeline and serves HTTP at an address.
func launch(t *testing.T, cmd *exec.Cmd, address string, shutdown time.Duration) *process {
	t.Helper()
	p := &process{T: t, cmd: cmd, address: address, shutdown: shutdown, ended: make(chan struct{}), logs: filepath.Join(t.TempDir(), "log.jsonl")}
	logs, err := os.Create(p.logs)
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	p.cmd.Stdout, p.cmd.Stderr = logs, logs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.cmd.Wait() // its outcome is in ProcessState
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill() // an error means that it has ended
		<-p.ended
		if strings.Contains(p.log(), token) {
			t.Error("the log holds the token")
		}
		if t.Failed() {
			t.Logf("the end of the log:\n%s", tail(p.log(), 8<<10))
		}
	})
	return p
}

// signal sends a signal.
func (p *process) signal(s syscall.Signal) {
	p.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.Fatalf("sending %s: %v", s, err)
	}
}

// stop sends a signal and waits for the end, which must come within
// shutdown_timeout and with status 0. It returns how long that took.
func (p *process) stop(s syscall.Signal) time.Duration {
	p.Helper()
	began := time.Now()
	p.signal(s)
	select {
	case <-p.ended:
	case <-time.After(p.shutdown + time.Second):
		p.Fatalf("%s did not end the process within shutdown_timeout", s)
	}
	if status := p.cmd.ProcessState; !status.Success() {
		p.Errorf("after %s: %s", s, status)
	}
	return time.Since(began)
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (p *process) log() string {
	b, err := os.ReadFile(p.logs)
	if err != nil {
		p.Fatal(err)
	}
	return string(b)
}

// logged are the lines of the log that contain a text.
func (p *process) logged(text string) []string {
	var lines []string
	for line := range strings.Lines(p.log()) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

// get asks the process' HTTP server, and returns status 0 when it is not there.
func (p *process) get(path string) (status int, body []byte) {
	ctx, cancel := context.WithTimeout(p.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		return 0, nil
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		return 0, nil
	}
	return res.StatusCode, body
}

// ready reports whether /ready says so.
func (p *process) ready() bool {
	status, _ := p.get("/ready")
	return status == http.StatusOK
}

// metric is the sum of a metric over all its labels.
func (p *process) metric(name string) float64 {
	p.Helper()
	sum, err := p.sample(name)
	if err != nil {
		p.Fatal(err)
	}
	return sum
}

// sample is metric for a goroutine that must not end the test. A counter with
// labels is not there before it counts: it is zero.
func (p *process) sample(name string) (sum float64, err error) {
	status, body := p.get("/metrics")
	if status != http.StatusOK {
		return 0, fmt.Errorf("/metrics answers %d", status)
	}
	for line := range bytes.Lines(body) {
		sample, value, _ := strings.Cut(strings.TrimSpace(string(line)), "} ")
		if !strings.HasPrefix(sample, name+"{") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", line, err)
		}
		sum += v
	}
	return sum, nil
}

// written is the size of the output so far.
func (p *process) written() int64 {
	info, err := os.Stat(p.output)
	if err != nil {
		return 0 // there is no file before the first Post
	}
	return info.Size()
}

// delivers waits until the output grows beyond a size.
func (p *process) delivers(beyond int64, limit time.Duration) {
	p.Helper()
	eventually(p.T, limit, "delivery", func() bool {
		if !p.running() {
			p.Fatalf("the process has ended: %s", p.cmd.ProcessState)
		}
		return p.written() > beyond
	})
}

// memory is the most memory that the process held at a time, and what it holds
// now, in MB, as Linux tells it; zero elsewhere.
func (p *process) memory() (peak, now int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kB, _ := strconv.Atoi(fields[1])
		switch fields[0] {
		case "VmHWM:":
			peak = kB / 1024
		case "VmRSS:":
			now = kB / 1024
		}
	}
	return peak, now
}

// freeAddress is a loopback address on which nothing listens just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// write makes a file in a directory of its own, and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
