package services

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// debian is the path of a program that find knows, after the installation of
// Debian's package of it if need be. find returns "" when it is not there.
func debian(find func() string, pkg string) (string, error) {
	if path := find(); path != "" {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return "", fmt.Errorf("there is no apt-get: install what Debian calls %s", pkg)
	}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("only root can install it: run apt-get install %s", pkg)
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	err = once(filepath.Join(cache, "apt.lock"), func() bool { return find() != "" }, func() error {
		allow, err := denyServices()
		if err != nil {
			return err
		}
		defer allow()
		if aptGet("install", "--yes", "--no-install-recommends", pkg) == nil {
			return nil
		}
		// The lists of packages may be missing or old.
		if err := aptGet("update"); err != nil {
			return err
		}
		return aptGet("install", "--yes", "--no-install-recommends", pkg)
	})
	if err != nil {
		return "", err
	}
	if path := find(); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("Debian's package %s does not have it", pkg)
}

// aptGet has no context and is in a group of its own, out of reach of Ctrl-C:
// half an installation is worse than a late end.
func aptGet(args ...string) error {
	cmd := exec.Command("apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return install(cmd)
}

// denyServices keeps packages from starting servers of their own, by the means
// that Debian has for it. The file is as good as gone when this process is, even
// if it is killed before it removes it.
func denyServices() (allow func() error, err error) {
	const policy = "/usr/sbin/policy-rc.d"
	script := fmt.Sprintf("#!/bin/sh\n# Made by a test of xconnect while it installs a server.\n"+
		"kill -0 %d 2>/dev/null && exit 101\nexit 0\n", os.Getpid())
	f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return func() error { return nil }, nil // the machine has a policy
	}
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(script)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(policy))
	}
	return func() error { return os.Remove(policy) }, nil
}

// lookPath is exec.LookPath for debian.
func lookPath(program string) func() string {
	return func() string {
		path, _ := exec.LookPath(program)
		return path
	}
}
