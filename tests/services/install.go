package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// missing says what there is to do about a server that cannot be had.
func missing(server, variable, what string, why error) error {
	return fmt.Errorf("%s is missing, and %s is not set to the %s of one: %w", server, variable, what, why)
}

// cached is a folder of the cache. Who finds it missing fills it.
func cached(ctx context.Context, name string, fill func(ctx context.Context, dir string) error) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	return dir, once(dir+".lock", func() bool { return exists(dir) }, func() error {
		partial := dir + ".partial"
		if err := os.RemoveAll(partial); err != nil { // of someone who was killed
			return err
		}
		if err := os.Mkdir(partial, 0o755); err != nil {
			return err
		}
		if err := fill(ctx, partial); err != nil {
			return errors.Join(err, os.RemoveAll(partial))
		}
		return os.Rename(partial, dir)
	})
}

// once does something that is not done. Who comes meanwhile, also in another
// process, waits for it.
func once(lock string, done func() bool, do func() error) error {
	if done() {
		return nil
	}
	f, err := os.OpenFile(lock, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer f.Close() // which unlocks it
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", lock, err)
	}
	if done() {
		return nil
	}
	return do()
}

// cacheDir is outside of the checkout, and for root outside of root's home, for
// the users whom servers run as.
func cacheDir() (string, error) {
	parent := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if parent, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(parent, "xconnect-tests")
	return dir, os.MkdirAll(dir, 0o755)
}

// install runs a command that installs something. Its output is in the error.
func install(cmd *exec.Cmd) error {
	cmd.WaitDelay = 5 * time.Second // for children that keep the output open
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out[max(0, len(out)-logShown):])
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
