package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xconnect-dev/xconnect/internal/simulator"
)

// What only X can judge never ends the pipeline.
func TestWrongTokenStaysVisibleUntilItIsReplaced(t *testing.T) {
	long(t)
	const wrong = "wr0ng-token"
	x := startX(t, simulator.Config{Rate: 50})
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(wrong+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, x, "bearer_token_file: "+file)
	eventually(t, 30*time.Second, "a second attempt", func() bool { return x.Connections().Total >= 2 })

	if !p.running() {
		t.Fatalf("the process has ended: %s", p.cmd.ProcessState)
	}
	if status, _ := p.get("/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("/ready answers %d, want 503", status)
	}
	for _, c := range x.Connections().Connects {
		if c.Status != http.StatusUnauthorized {
			t.Errorf("X answered %d, want 401", c.Status)
		}
	}
	if advice := p.logged("what_to_do"); len(advice) != 1 || !strings.Contains(advice[0], "bearer_token_file") {
		t.Errorf("what to do is logged %d times, want once, with the name of the field:\n%s", len(advice), strings.Join(advice, ""))
	}
	if n := p.metric("x_stream_reconnects"); n == 0 {
		t.Error("x_stream_reconnects counts nothing")
	}

	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := x.Connections().Connects[0].At
	p.delivers(0, time.Minute)
	eventually(t, 5*time.Second, "readiness", p.ready)
	until := time.Now()
	time.Sleep(2 * time.Second)
	p.stop(syscall.SIGTERM)
	// Everything since the first attempt is owed.
	owed := p.delivered().check(t, x, first.Add(time.Second), until)
	if strings.Contains(p.log(), wrong) {
		t.Error("the log holds the wrong token")
	}
	t.Logf("%d Posts owed since the first attempt, %d connects", owed, x.Connections().Total)
}
