package capturetest

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Action returns what sig does, as rt_sigaction(2) gives it: no struct sigaction
// is larger.
func Action(sig syscall.Signal) (action [64]byte, err error) {
	err = sigaction(sig, nil, &action)
	return action, err
}

// KeepAction saves what sig does, and returns a function that makes it do that
// again.
func KeepAction(sig syscall.Signal) (putBack func() error, err error) {
	action, err := Action(sig)
	if err != nil {
		return nil, err
	}
	return func() error { return sigaction(sig, &action, nil) }, nil
}

// SetDefault makes the action of sig the default.
func SetDefault(sig syscall.Signal) error {
	return sigaction(sig, new([64]byte), nil)
}

func sigaction(sig syscall.Signal, act, old *[64]byte) error {
	const sigsetSize = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), sigsetSize, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_sigaction", errno)
	}
	return nil
}
