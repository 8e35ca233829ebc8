package conformance

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// client is a program around a library for X's API that others wrote.
type client struct {
	name    string
	needs   []string // programs that must be on the machine
	install [][]string
	command []string
}

// clients come in the exact versions of their lock files.
func clients() []client {
	venv := filepath.Join("..", "..", ".cache", "conformance", "tweepy")
	python := filepath.Join(venv, "bin", "python")
	return []client{
		{
			name:  "tweepy",
			needs: []string{"python3"},
			install: [][]string{
				{"python3", "-m", "venv", venv},
				{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", "tweepy/requirements.txt"},
			},
			command: []string{python, "tweepy/consume.py"},
		},
		{
			name:  "twitter-api-v2",
			needs: []string{"node", "npm"},
			install: [][]string{
				{"npm", "ci", "--prefix", "twitter-api-v2", "--prefer-offline", "--no-audit", "--no-fund"},
			},
			command: []string{"node", "twitter-api-v2/consume.mjs"},
		},
	}
}

// prepare installs the client. Without the programs that it needs the test is
// skipped, but fails in CI.
func (c client) prepare(t *testing.T) {
	t.Helper()
	for _, program := range c.needs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is tested with %s, which is not installed", c.name, program)
			}
			t.Skipf("%s needs %s, which is not installed", c.name, program)
		}
	}
	for _, step := range c.install {
		if out, err := exec.CommandContext(t.Context(), step[0], step[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("installing %s: %v: %v\n%s", c.name, step, err, out)
		}
	}
}

// event is one line of a client program's output.
type event struct {
	Event    string            `json:"event"`
	ID       string            `json:"id"`       // post
	IDs      []string          `json:"ids"`      // page: of its Posts
	Users    []string          `json:"users"`    // page: of those it includes
	Rules    json.RawMessage   `json:"rules"`    // post: IDs; rules: the rules
	Step     string            `json:"step"`     // rules, refusal
	Problems []string          `json:"problems"` // refusal
	Reason   string            `json:"reason"`   // failed
	Status   int               `json:"status"`   // refused
	Errors   []json.RawMessage `json:"errors"`   // errors
}

// run calls handle with each event until the program ends, which it must do
// with status 0.
func (c client) run(t *testing.T, args []string, handle func(event)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.command[0], append(c.command[1:len(c.command):len(c.command)], args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for events := json.NewDecoder(stdout); ; {
		var e event
		if err := events.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			t.Errorf("%s printed no JSON: %v", c.name, err)
			break
		}
		handle(e)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s %v: %v\n%s", c.name, args, err, &stderr)
	}
}
