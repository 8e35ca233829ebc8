package services

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a running program with all that it has started itself.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// startProcess starts a program, which gets the signal when we end before it.
func startProcess(cmd *exec.Cmd, orphaned syscall.Signal) (*process, error) {
	cmd.SysProcAttr.Setpgid = true
	signalOrphan(cmd.SysProcAttr, orphaned)
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// For Linux the parent is the thread, and Go ends threads that idle.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // its outcome is in ProcessState
			close(p.ended)
		}
	}()
	return p, <-started
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// end sends a signal to the process and its children, and returns when it has
// ended. Its children are then about to: they are not ours to wait for.
func (p *process) end(signal syscall.Signal) {
	group := -p.cmd.Process.Pid
	syscall.Kill(group, signal) // an error means that nobody is left
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		syscall.Kill(group, syscall.SIGKILL)
		<-p.ended
	}
}
