// Command probe asks the kernel for the features that the tests of the library may find
// missing. It uses bare system calls, so the kernel or the emulator answers, and not
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
)

// The number is the same on all architectures. x/sys does not have it on all of them.
const memfdSecret = 447

const childMark = "PROBE_CHILD"

func main() {
	if os.Getenv(childMark) != "" {
		return
	}
	for _, q := range questions {
		answer := "yes"
		if err := q.ask(); err != nil {
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
	ask  func() error
}{
	{"PIDFD_GET_INFO", func() error {
		return onSelf(func(pidfd int) error { return unix.IoctlPidfdInfo(pidfd, new(unix.PidfdInfo)) })
	}},
	{"PIDFD_GET_PID_NAMESPACE", func() error {
		return onSelf(func(pidfd int) error { return call(unix.SYS_IOCTL, uintptr(pidfd), pidNamespace()) })
	}},
	{"memfd_create(2), MFD_HUGETLB", func() error {
		return closed(unix.MemfdCreate("probe", unix.MFD_CLOEXEC|unix.MFD_HUGETLB|unix.MFD_HUGE_2MB))
	}},
	{"memfd_secret(2)", func() error { return call(memfdSecret, unix.O_CLOEXEC) }},
	{"mmap(2) of secret memory enforces RLIMIT_MEMLOCK", mapSecret},
	{"open(2) of /dev/fuse", func() error { return closed(unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)) }},
	{"io_setup(2)", func() error {
		var context uintptr
		if err := call(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&context))); err != nil {
			return err
		}
		return call(unix.SYS_IO_DESTROY, context)
	}},
	{"SO_TIMESTAMPING", func() error { return setOption(unix.SO_TIMESTAMPING, unix.SOF_TIMESTAMPING_SOFTWARE) }},
	{"SO_ZEROCOPY", func() error { return setOption(unix.SO_ZEROCOPY, 1) }},
	// The errors of these calls for a bad argument tell whether the calls are there.
	{"userfaultfd(2)", func() error { return there(unix.EINVAL, unix.SYS_USERFAULTFD, ^uintptr(0)) }},
	{"seccomp(2)", func() error {
		allow := uint32(unix.SECCOMP_RET_ALLOW)
		return call(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&allow)))
	}},
	{"ptrace(2)", func() error { return there(unix.ESRCH, unix.SYS_PTRACE, unix.PTRACE_CONT, 0, 0, 0) }},
	{"clone(2), CLONE_NEWPID", func() error { return start("/bin/true", unix.CLONE_NEWPID) }},
	{"real-time signal by pidfd_send_signal(2), with its siginfo", sendValue},
	{"recvmsg(2) closes what does not fit", receive},
	{"os.Process.WithHandle", func() error {
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		return self.WithHandle(func(uintptr) {})
	}},
	{"execve(2) of itself", func() error { return start("/proc/self/exe", 0) }},
}

// mapSecret maps secret memory, which is locked, beyond the limit of an ordinary user.
// It does so on a thread that has dropped all privileges, and that ends with its
// goroutine.
func mapSecret() error {
	outcome := make(chan error)
	go func() {
		runtime.LockOSThread()
		outcome <- func() error {
			fd, _, errno := unix.Syscall(memfdSecret, unix.O_CLOEXEC, 0, 0)
			if errno != 0 {
				return errno
			}
			defer unix.Close(int(fd))
			page := os.Getpagesize()
			if err := unix.Ftruncate(int(fd), int64(page)); err != nil {
				return err
			}
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
				return err
			}
			if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Max: limit.Max}); err != nil {
				return err
			}
			defer unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit)
			var none [2]unix.CapUserData
			if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
				return err
			}
			p, err := unix.Mmap(int(fd), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err == nil {
				_ = unix.Munmap(p)
				return errors.New("it succeeds")
			}
			if err != unix.EAGAIN {
				return err
			}
			return nil
		}()
	}()
	return <-outcome
}

// call returns the error of a system call.
func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return errno
	}
	return nil
}

// there makes a call that fails with the error want on a kernel that has the call.
func there(want unix.Errno, number uintptr, args ...uintptr) error {
	switch err := call(number, args...); err {
	case want:
		return nil
	case nil:
		return errors.New("it succeeds")
	default:
		return err
	}
}

// setOption sets an option of a TCP socket.
func setOption(option, value int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, value)
}

func onSelf(do func(pidfd int) error) error {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	return do(pidfd)
}

// closed closes the descriptor that a call returned.
func closed(fd int, err error) error {
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// pidNamespace is PIDFD_GET_PID_NAMESPACE: _IO(0xff, 6) of asm/ioctl.h, which sets a bit on
// POWER.
func pidNamespace() uintptr {
	if runtime.GOARCH == "ppc64le" {
		return 1<<29 | 0xff06
	}
	return 0xff06
}

// start starts a program in new namespaces, which ends at once.
func start(program string, namespaces uintptr) error {
	process, err := os.StartProcess(program, []string{program}, &os.ProcAttr{
		Env: append(os.Environ(), childMark+"=1"),
		Sys: &syscall.SysProcAttr{Cloneflags: namespaces},
	})
	if err != nil {
		return errors.Unwrap(err)
	}
	_, err = process.Wait()
	return err
}

// sendValue sends a signal that is ignored, with a siginfo that has its number.
func sendValue() error {
	const number = 50
	signal.Ignore(syscall.Signal(number))
	return onSelf(func(pidfd int) error {
		var info unix.Siginfo
		info.Signo, info.Code = number, -1 // SI_QUEUE
		return unix.PidfdSendSignal(pidfd, number, &info, 0)
	})
}

// receive receives fewer descriptors than were sent. The kernel closes the rest.
func receive() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	const sent = 250
	if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(make([]int, sent)...), nil, 0); err != nil {
		return err
	}
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
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	received, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	if opened := open() - before; opened != len(received) {
		return fmt.Errorf("%d arrive, %d are open", len(received), opened)
	}
	return nil
}
