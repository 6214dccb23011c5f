//go:build amd64 || arm64 || riscv64 || loong64

package capturetest

import (
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// cloneKill makes a child by clone(2), which sends itself the signal and exits with
// status 0.
func cloneKill(flags, sig uintptr) int

// Fork makes a child with a copy of this process's memory, as fork(2) does. The child
// sends itself sig, and exits with status 0 if it lives. Fork returns how it ended.
func Fork(sig syscall.Signal) (unix.WaitStatus, error) { return endOfChild(0, sig) }

// Vfork is Fork for a child that shares the memory, as vfork(2) does.
func Vfork(sig syscall.Signal) (unix.WaitStatus, error) {
	return endOfChild(unix.CLONE_VM|unix.CLONE_VFORK, sig)
}

func endOfChild(flags uintptr, sig syscall.Signal) (status unix.WaitStatus, err error) {
	runtime.LockOSThread()
	pid := cloneKill(flags|uintptr(unix.SIGCHLD), uintptr(sig))
	runtime.UnlockOSThread()
	if pid < 0 {
		return 0, fmt.Errorf("clone: %w", unix.Errno(-pid))
	}
	for err = unix.EINTR; err == unix.EINTR; {
		_, err = unix.Wait4(pid, &status, 0, nil)
	}
	return status, err
}
