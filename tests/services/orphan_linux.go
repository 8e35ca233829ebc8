package services

import "syscall"

// signalOrphan has a process get a signal when its parent ends.
func signalOrphan(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }
