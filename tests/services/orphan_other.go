//go:build unix && !linux

package services

import "syscall"

// signalOrphan can do nothing here: a server outlives a test that is killed.
func signalOrphan(*syscall.SysProcAttr, syscall.Signal) {}
