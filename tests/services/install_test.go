package services

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestMissingServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(redisVariable, "")
	_, err := OpenRedis(t.Context())
	const want = "Redis is missing, and XCONNECT_TEST_REDIS is not set to the URL of one: there is no apt-get: install what Debian calls redis-server"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, not %s", err, want)
	}
}

// Test binaries that run at once must not build the same thing twice, nor use
// one that is half there.
func TestOnce(t *testing.T) {
	var (
		dir   = t.TempDir()
		thing = filepath.Join(dir, "thing")
		calls atomic.Int32
		wait  sync.WaitGroup
	)
	for range 8 {
		wait.Go(func() {
			err := once(thing+".lock", func() bool { return exists(thing) }, func() error {
				calls.Add(1)
				return os.Mkdir(thing, 0o755)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("it was done %d times", n)
	}
}

func TestFailedInstallation(t *testing.T) {
	name := "test-" + strings.ToLower(t.Name())
	failed := errors.New("the registry is gone")
	dir, err := cached(t.Context(), name, func(_ context.Context, dir string) error {
		return errors.Join(failed, os.WriteFile(filepath.Join(dir, "half"), nil, 0o644))
	})
	defer os.RemoveAll(dir)
	defer os.Remove(dir + ".lock")
	if !errors.Is(err, failed) {
		t.Errorf("the error is %v", err)
	}
	if exists(dir) || exists(dir+".partial") {
		t.Error("half an installation is there")
	}
}

func TestJavaVersion(t *testing.T) {
	for release, want := range map[string]int{
		"IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"17.0.15\"\n": 17,
		"JAVA_VERSION=\"25\"\n":                              25,
		"JAVA_VERSION=\"1.8.0_392\"\n":                       1,
		"":                                                   0,
	} {
		home := t.TempDir()
		if err := os.WriteFile(filepath.Join(home, "release"), []byte(release), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := javaVersion(home); got != want {
			t.Errorf("%q is Java %d, not %d", release, got, want)
		}
	}
}
