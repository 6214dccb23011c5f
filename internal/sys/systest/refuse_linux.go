package systest

import (
	"cmp"
	"encoding/binary"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Refusal makes the kernel answer the system call Call with Errno. If Arg is not
// zero, it applies only if that argument is Value. Arguments count from 1. If Errno is
// 0, the call returns 0. If Action is not zero, the kernel does that instead, such as
// SECCOMP_RET_USER_NOTIF.
type Refusal struct {
	Call   uintptr
	Errno  unix.Errno
	Arg    int
	Value  uint32
	Action uint32
}

// Refuse runs do on a thread with a seccomp(2) filter for the refusals. The filter
// affects no goroutine that do starts. It ends with the thread, when Refuse returns.
func Refuse(t testing.TB, do func(), refusals ...Refusal) {
	t.Helper()
	NotEmulated(t, "an emulator has no seccomp(2)")
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The goroutine does not unlock the thread, so the thread ends with it. The
		// runtime starts no thread from a locked one, so none inherits the filter.
		runtime.LockOSThread()
		if _, err := InstallFilter(0, refusals...); err != nil {
			t.Error(err)
			return
		}
		do()
	}()
	<-done
	if t.Failed() {
		t.FailNow()
	}
}

// InstallFilter makes the kernel refuse calls of this thread from now on, and of the
// threads and processes that it starts. With the flag SECCOMP_FILTER_FLAG_TSYNC it is for
// all threads. InstallFilter returns the result of seccomp(2).
func InstallFilter(flags uintptr, refusals ...Refusal) (int, error) {
	// The struct seccomp_data: the call's number, and arguments of 64 bits.
	const number, arguments = 0, 16
	load := func(at int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: uint32(at)}
	}
	unless := func(value uint32, skip int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: uint8(skip)}
	}
	result := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value}
	}
	var program []unix.SockFilter
	for _, r := range refusals {
		answer := result(cmp.Or(r.Action, unix.SECCOMP_RET_ERRNO|uint32(r.Errno)))
		if r.Arg == 0 {
			program = append(program, load(number), unless(uint32(r.Call), 1), answer)
			continue
		}
		low := arguments + 8*(r.Arg-1)
		if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
			low += 4
		}
		program = append(program, load(number), unless(uint32(r.Call), 3), load(low), unless(r.Value, 1), answer)
	}
	program = append(program, result(unix.SECCOMP_RET_ALLOW))
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread() // no_new_privs is this thread's
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, os.NewSyscallError("prctl", err)
	}
	n, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, os.NewSyscallError("seccomp", errno)
	}
	return int(n), nil
}
