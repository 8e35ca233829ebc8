package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	token = "conformance"
	// rate is Posts a second: few enough for the slower client on a busy
	// machine, and three a second on the sample stream.
	rate = 300
)

// simulator is a running `xconnect simulate`.
type simulator struct {
	baseURL string
}

// build links the binary, once for all tests.
var build = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs("../../.cache/conformance/xconnect")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/xconnect").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building xconnect: %w\n%s", err, out)
	}
	return path, nil
})

var addressLine = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// startSimulator runs `xconnect simulate` until the test ends.
func startSimulator(t *testing.T) *simulator {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "simulate",
		"--address", "127.0.0.1:0", "--rate", fmt.Sprint(rate), "--seed", "7", "--token", token)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	address := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		defer close(address)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if found := addressLine.FindString(lines.Text()); found != "" {
				address <- found
				break
			}
		}
		_, _ = io.Copy(io.Discard, stdout)
	}()
	t.Cleanup(func() { // t.Context is done by now
		<-drained
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("xconnect simulate ended with %v\n%s", err, &stderr)
		}
	})

	baseURL := <-address
	if baseURL == "" {
		t.Fatalf("xconnect simulate printed no address\n%s", &stderr)
	}
	return &simulator{baseURL: baseURL}
}

// breakNow does something to the open connections of a stream.
func (s *simulator) breakNow(t *testing.T, kind, stream string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"kind": kind, "stream": stream})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(s.baseURL+"/simulator/faults", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		t.Fatalf("fault %s on %s: %s: %s", kind, stream, resp.Status, answer)
	}
}

// expected returns the IDs that a consumer must have got on a stream between
// two times, in order of delivery.
func (s *simulator) expected(t *testing.T, stream string, from, to time.Time) (ids []string) {
	t.Helper()
	s.control(t, "expected", between(from, to, "stream", stream), &ids)
	return ids
}

// found returns the IDs that a search finds between two times, the newest first.
func (s *simulator) found(t *testing.T, endpoint, query string, from, to time.Time) (ids []string) {
	t.Helper()
	s.control(t, "expected", between(from, to, "search", endpoint, "query", query), &ids)
	return ids
}

func between(from, to time.Time, pairs ...string) url.Values {
	query := url.Values{
		"from": {from.UTC().Format(time.RFC3339Nano)},
		"to":   {to.UTC().Format(time.RFC3339Nano)},
	}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return query
}

// control asks the simulator about itself.
func (s *simulator) control(t *testing.T, path string, query url.Values, into any) {
	t.Helper()
	resp, err := http.Get(s.baseURL + "/simulator/" + path + "?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		t.Fatalf("%s of the simulator: %s: %s", path, resp.Status, answer)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatalf("%s of the simulator: %v", path, err)
	}
}
