// Package e2e runs the built binary in real time, over real sockets and into
// real files, against a simulated X that fails: what plugin's tests show in
// simulated time must hold here too.
//
// -short leaves the scenarios out that take longer than a few seconds; they run
// at about a tenth of their length by default and at full length with
// XCONNECT_SOAK=1.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "xconnect-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildDir = dir
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// build links the binary, once for all tests.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "xconnect")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/xconnect").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building xconnect: %w\n%s", err, out)
	}
	return path, nil
})

func binary(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// soak reports whether the full figures of the issues are asked for.
func soak() bool { return os.Getenv("XCONNECT_SOAK") != "" }

// long leaves a test out of -short.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs in real time for longer than -short allows")
	}
}

// eventually waits until a condition holds, and fails the test after a limit.
func eventually(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
}
