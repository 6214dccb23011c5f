// Command probe asks the kernel for features that the tests of the library do not try by
// themselves. It uses bare system calls, so the kernel or the emulator answers, and not
// the library.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/test/internal/try"
)

const childMark = "PROBE_CHILD"

func main() {
	if os.Getenv(childMark) != "" {
		return
	}
	for _, q := range questions {
		answer := "yes"
		if err := try.Run(q.ask); err != nil {
			answer = err.Error()
			if errno, ok := err.(unix.Errno); ok {
				answer = unix.ErrnoName(errno)
			}
		}
		fmt.Printf("%s: %s\n", q.call, answer)
	}
}

// questions has those of the known skips in skips.go.
var questions = []struct {
	call string
	ask  func()
}{
	{"PIDFD_GET_INFO", func() { try.Check(unix.IoctlPidfdInfo(self(), new(unix.PidfdInfo))) }},
	{"PIDFD_GET_PID_NAMESPACE", func() { call(unix.SYS_IOCTL, uintptr(self()), pidNamespace()) }},
	{"memfd_create(2), MFD_HUGETLB", func() {
		try.Get(unix.MemfdCreate("probe", unix.MFD_CLOEXEC|unix.MFD_HUGETLB|unix.MFD_HUGE_2MB))
	}},
	// The number is the same on all architectures. x/sys does not have it on all of them.
	{"memfd_secret(2)", func() { call(447, unix.O_CLOEXEC) }},
	{"seccomp(2)", func() {
		allow := uint32(unix.SECCOMP_RET_ALLOW)
		call(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&allow)))
	}},
	{"ptrace(2)", func() {
		// No process has the number 0.
		if _, _, errno := unix.Syscall(unix.SYS_PTRACE, unix.PTRACE_CONT, 0, 0); errno != unix.ESRCH {
			try.Check(errno)
		}
	}},
	{"clone(2), CLONE_NEWPID", func() { start("/bin/true", unix.CLONE_NEWPID) }},
	{"real-time signal by pidfd_send_signal(2), with its siginfo", sendValue},
	{"recvmsg(2) closes what does not fit", receive},
	{"os.Process.WithHandle", func() {
		try.Check(try.Get(os.FindProcess(os.Getpid())).WithHandle(func(uintptr) {}))
	}},
	{"execve(2) of itself", func() { start("/proc/self/exe", 0) }},
}

// call makes a system call.
func call(number uintptr, args ...uintptr) {
	var a [4]uintptr
	copy(a[:], args)
	if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], 0, 0); errno != 0 {
		try.Check(errno)
	}
}

// self returns a pidfd of this process.
func self() int { return try.Get(unix.PidfdOpen(os.Getpid(), 0)) }

// pidNamespace is PIDFD_GET_PID_NAMESPACE: _IO(0xff, 6) of asm/ioctl.h, which sets a bit on
// POWER.
func pidNamespace() uintptr {
	if runtime.GOARCH == "ppc64le" {
		return 1<<29 | 0xff06
	}
	return 0xff06
}

// start starts a program in new namespaces, which ends at once.
func start(program string, namespaces uintptr) {
	process, err := os.StartProcess(program, []string{program}, &os.ProcAttr{
		Env: append(os.Environ(), childMark+"=1"),
		Sys: &syscall.SysProcAttr{Cloneflags: namespaces},
	})
	try.Check(errors.Unwrap(err))
	try.Get(process.Wait())
}

// sendValue sends a signal that is ignored, with a siginfo that has its number.
func sendValue() {
	const number = 50
	signal.Ignore(syscall.Signal(number))
	var info unix.Siginfo
	info.Signo, info.Code = number, -1 // SI_QUEUE
	try.Check(unix.PidfdSendSignal(self(), number, &info, 0))
}

// receive receives fewer descriptors than were sent. The kernel closes the rest.
func receive() {
	pair := try.Get(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	const sent = 250
	try.Check(unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(make([]int, sent)...), nil, 0))
	open := func() (n int) {
		for fd := range 2 * sent {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				n++
			}
		}
		return n
	}
	before := open()
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[1], make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
	try.Check(err)
	messages := try.Get(unix.ParseSocketControlMessage(control[:n]))
	received := try.Get(unix.ParseUnixRights(&messages[0]))
	if opened := open() - before; opened != len(received) {
		try.Check(fmt.Errorf("%d arrive, %d are open", len(received), opened))
	}
}
