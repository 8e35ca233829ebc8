package bench

import (
	"bytes"
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

// build links the binary with all its outputs, which this package leaves out.
func build(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "xconnect")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/xconnect").CombinedOutput(); err != nil {
		b.Fatalf("building xconnect: %v\n%s", err, out)
	}
	return path
}

// pipeline is a process of the built binary that runs a config.
type pipeline struct {
	binary, config string
	env            []string
	posts          int // that its input has to offer
}

// outcome is what is known of a pipeline that has run.
type outcome struct {
	samples []sample // while there was something to read
	cpu     time.Duration
	log     string
}

// sample is what a pipeline's outputs had acknowledged at a moment.
type sample struct {
	at      time.Time
	sent    int // messages, which hold a Post or an archive of many
	batches int
}

const (
	sampleInterval = 20 * time.Millisecond
	pipelineLimit  = 15 * time.Minute // far beyond what one takes
)

// run runs a pipeline until it has read all Posts, and then stops it as an
// orchestrator does, which must not keep it from delivering them.
func (p pipeline) run(b *testing.B) outcome {
	b.Helper()
	dir := b.TempDir()
	address := freeAddress(b)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(p.config), 0o600); err != nil {
		b.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(b.Context(), p.binary, "-c", "config.yaml")
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), p.env...), "X_HTTP_ADDRESS="+address, "X_STATE_DIR="+dir)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	var samples []sample
	limit := time.After(pipelineLimit)
	for reading := true; ; {
		select {
		case err := <-ended:
			if err != nil {
				b.Fatalf("xconnect: %v\n%s", err, &log)
			}
			return outcome{samples, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), log.String()}
		case <-limit:
			_ = cmd.Process.Kill()
			<-ended
			b.Fatalf("xconnect goes on after %s\n%s", pipelineLimit, &log)
		case <-time.After(sampleInterval):
		}
		if !reading {
			continue
		}
		m, err := scrape(address)
		if err != nil {
			continue // it starts, or it ends
		}
		samples = append(samples, sample{time.Now(), m.sum("output_sent", ""), m.sum("output_batch_sent", "")})
		if m.sum("processor_received", `path="root.pipeline.processors.0"`) >= p.posts {
			reading = false
			_ = cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
		}
	}
}

// exposition has metrics in the text format of Prometheus.
type exposition string

func scrape(address string) (exposition, error) {
	res, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("/metrics answers %s", res.Status)
	}
	return exposition(body), err
}

// sum adds up a counter over all its labels, or those that contain label.
func (e exposition) sum(name, label string) (sum int) {
	for line := range strings.Lines(string(e)) {
		labels, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if strings.HasPrefix(labels, name+"{") && strings.Contains(labels, label) {
			v, _ := strconv.ParseFloat(value, 64) // large ones have an exponent
			sum += int(v)
		}
	}
	return sum
}

// freeAddress is a loopback address on which nothing listens just now.
func freeAddress(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
