package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	healthyWithin = 3 * time.Minute // Elasticsearch, on a machine that is busy
	refusesWithin = 10 * time.Second
	pollInterval  = 50 * time.Millisecond
	logShown      = 4 << 10
)

// Server is what all servers have in common. It is a process of ours, or one
// that runs elsewhere and was named by a variable.
type Server struct {
	name     string
	variable string // that named it; empty: it is ours
	dir      string // has all that it writes
	address  string // host:port
	account  *syscall.Credential
	command  func() *exec.Cmd
	crash    syscall.Signal // what ends it and all that it has started
	healthy  func(context.Context) error

	mu      sync.Mutex
	process *process // nil: stopped
}

// newServer prepares a server of ours, which runs as account unless that is nil.
func newServer(name string, account *syscall.Credential) (*Server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &Server{name: name, address: address, account: account, crash: syscall.SIGKILL}
	if s.dir, err = os.MkdirTemp("", "xconnect-"+strings.ToLower(name)+"-"); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := s.own(s.dir); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), s.Close())
	}
	return s, nil
}

// own gives a folder to the user whom the server runs as.
func (s *Server) own(dir string) error {
	if s.account == nil {
		return nil
	}
	return os.Chown(dir, int(s.account.Uid), int(s.account.Gid))
}

// open starts a server of ours, and looks whether one that was named is there.
func (s *Server) open(ctx context.Context) error {
	if s.variable != "" {
		if err := s.await(ctx, nil); err != nil {
			return fmt.Errorf("%s that %s names: %w", s.name, s.variable, err)
		}
		return nil
	}
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// Restartable reports whether the server is ours to stop and start.
func (s *Server) Restartable() bool { return s.variable == "" }

// Stop ends the server as a crash does: it is not asked, saves nothing, and
// breaks its connections. What it has acknowledged must survive that. Stop
// returns when the server refuses connections.
func (s *Server) Stop() error {
	if !s.Restartable() {
		return fmt.Errorf("%s is not ours to stop: %s names it", s.name, s.variable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	s.process.end(s.crash)
	s.process = nil
	for deadline := time.Now().Add(refusesWithin); ; time.Sleep(pollInterval) {
		c, err := net.Dial("tcp", s.address)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		if err == nil {
			c.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s was stopped, but %s does not refuse connections: %v", s.name, s.address, err)
		}
	}
}

// Start starts the server again after Stop, at the same address and with the
// same data, and returns when it is healthy.
func (s *Server) Start() error { return s.start(context.Background()) }

func (s *Server) start(ctx context.Context) error {
	if !s.Restartable() {
		return fmt.Errorf("%s is not ours to start: %s names it", s.name, s.variable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.running() {
		return fmt.Errorf("%s runs already", s.name)
	}
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	defer log.Close()
	cmd := s.command()
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
	p, err := startProcess(cmd, s.crash)
	if err != nil {
		return fmt.Errorf("starting %s: %w", s.name, err)
	}
	if err := s.await(ctx, p); err != nil {
		p.end(s.crash)
		return fmt.Errorf("%s does not start: %w\n%s", s.name, err, s.logEnd())
	}
	s.process = p
	return nil
}

// await asks the server until it is healthy or, if it has one, its process has ended.
func (s *Server) await(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, healthyWithin, fmt.Errorf("it is not healthy after %v", healthyWithin))
	defer cancel()
	for {
		if p != nil && !p.running() {
			return fmt.Errorf("its process has ended: %s", p.cmd.ProcessState)
		}
		asked, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := s.healthy(asked)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pollInterval):
		}
	}
}

// Close stops a server of ours and removes its data.
func (s *Server) Close() error {
	if !s.Restartable() {
		return nil
	}
	return errors.Join(s.Stop(), os.RemoveAll(s.dir))
}

func (s *Server) log() string { return filepath.Join(s.dir, "server.log") }

// logEnd shows the end of the log, if there is one.
func (s *Server) logEnd() string {
	if !s.Restartable() {
		return fmt.Sprintf("%s was named by %s: its log is elsewhere", s.name, s.variable)
	}
	log, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("the end of the log of %s:\n%s", s.name, log[max(0, len(log)-logShown):])
}

// run runs one of the server's own programs before its start.
func (s *Server) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %s: %w\n%s", s.name, filepath.Base(program), err, out)
	}
	return nil
}
