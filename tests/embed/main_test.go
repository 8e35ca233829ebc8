package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The package plugin must not bring in Connect: its size and its licence are for
// the user to choose.
func TestLinksNothingOfConnect(t *testing.T) {
	for _, p := range strings.Fields(run(t, "go", "list", "-deps", ".")) {
		if strings.HasPrefix(p, "github.com/redpanda-data/connect/") || strings.HasPrefix(p, "github.com/redpanda-data/common-go/") {
			t.Errorf("%s is linked", p)
		}
	}
}

func TestMinimalBuild(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "minimal")
	run(t, "go", "build", "-o", binary, ".")

	t.Run("list", func(t *testing.T) {
		if inputs := strings.Fields(run(t, binary, "list", "inputs")); !slices.Contains(inputs, "x_stream") {
			t.Errorf("no x_stream among %v", inputs)
		}
	})

	t.Run("lint", func(t *testing.T) {
		const good = `
input:
  x_stream:
    stream: filtered
    bearer_token: secret
output:
  drop: {}
`
		run(t, binary, "lint", writeConfig(t, good))

		bad := writeConfig(t, strings.Replace(good, "filtered", "no_such_stream", 1))
		out, err := exec.Command(binary, "lint", bad).CombinedOutput()
		if err == nil {
			t.Error("lint accepts an unknown stream")
		}
		if lines := bytes.Count(out, []byte("\n")); lines != 1 {
			t.Errorf("lint prints %d lines, want one:\n%s", lines, out)
		}
	})
}

func writeConfig(t *testing.T, config string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run returns what a command prints, and fails the test when it fails.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}
