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

// Numbers that are the same on all architectures, and not in x/sys on all of them.
const (
	processMadvise  = 440
	memfdSecret     = 447
	processMrelease = 448
)

// MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED.
const registerMembarrier = 16

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

var questions = []struct {
	call string
	ask  func() error
}{
	{"membarrier(2), private and expedited", func() error {
		return call(unix.SYS_MEMBARRIER, registerMembarrier, 0)
	}},
	{"pidfd_getfd(2)", func() error {
		return onSelf(0, func(pidfd int) error {
			fd, err := unix.PidfdGetfd(pidfd, 1, 0)
			if err == nil {
				_ = unix.Close(fd)
			}
			return err
		})
	}},
	{"PIDFD_THREAD", func() error { return onSelf(unix.O_EXCL, func(int) error { return nil }) }},
	{"PIDFD_SIGNAL_PROCESS_GROUP", func() error {
		return onSelf(0, func(pidfd int) error {
			// No process group has this PID, unless this process leads one.
			if err := unix.PidfdSendSignal(pidfd, 0, nil, 4); err != unix.ESRCH {
				return err
			}
			return nil
		})
	}},
	{"PIDFD_GET_INFO", func() error {
		return onSelf(0, func(pidfd int) error {
			var info [88]byte
			return ioctl(pidfd, request(true, true, 0xff, 11, unsafe.Sizeof(info)), uintptr(unsafe.Pointer(&info)))
		})
	}},
	{"PIDFD_GET_PID_NAMESPACE", func() error {
		return onSelf(0, func(pidfd int) error { return ioctl(pidfd, request(false, false, 0xff, 6, 0), 0) })
	}},
	{"PIDFD_SELF", func() error { return unix.PidfdSendSignal(-10000, 0, nil, 0) }},
	{"SO_PEERPIDFD", func() error {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(pair[0])
		defer unix.Close(pair[1])
		pidfd, err := unix.GetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		if err == nil {
			_ = unix.Close(pidfd)
		}
		return err
	}},
	{"F_DUPFD_QUERY", func() error {
		_, err := unix.FcntlInt(0, unix.F_DUPFD_QUERY, 0)
		return err
	}},
	{"preadv2(2), RWF_NOWAIT on an eventfd", func() error {
		fd, err := unix.Eventfd(1, unix.EFD_CLOEXEC)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		_, err = unix.Preadv2(fd, [][]byte{make([]byte, 8)}, -1, unix.RWF_NOWAIT)
		return err
	}},
	{"preadv2(2), RWF_NOWAIT on a pipe", func() error {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		defer unix.Close(ends[0])
		defer unix.Close(ends[1])
		if _, err := unix.Preadv2(ends[0], [][]byte{make([]byte, 1)}, -1, unix.RWF_NOWAIT); err != unix.EAGAIN {
			return err
		}
		return nil
	}},
	{"memfd_create(2), MFD_NOEXEC_SEAL", func() error { return create(unix.MFD_NOEXEC_SEAL) }},
	{"memfd_create(2), MFD_HUGETLB", func() error { return create(unix.MFD_HUGETLB | unix.MFD_HUGE_2MB) }},
	{"memfd_secret(2)", func() error { return call(memfdSecret, unix.O_CLOEXEC) }},
	{"mmap(2) of secret memory enforces RLIMIT_MEMLOCK", mapSecret},
	{"open(2) of /dev/fuse", func() error {
		fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}},
	{"TFD_IOC_SET_TICKS", func() error {
		fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		ticks := uint64(1)
		return ioctl(fd, request(false, true, 'T', 0, 8), uintptr(unsafe.Pointer(&ticks)))
	}},
	{"io_setup(2)", func() error {
		var context uintptr
		if err := call(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&context))); err != nil {
			return err
		}
		return call(unix.SYS_IO_DESTROY, context)
	}},
	{"SO_TIMESTAMPING", func() error { return setOption(unix.SO_TIMESTAMPING, unix.SOF_TIMESTAMPING_SOFTWARE) }},
	{"SO_ZEROCOPY", func() error { return setOption(unix.SO_ZEROCOPY, 1) }},
	{"the clock can be set", func() error {
		_, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &unix.Timex{Modes: unix.ADJ_SETOFFSET})
		return err
	}},
	// The errors of these calls for a bad argument tell whether the calls are there.
	{"clone3(2)", func() error { return there(unix.EINVAL, unix.SYS_CLONE3, 0, 0) }},
	{"userfaultfd(2)", func() error { return there(unix.EINVAL, unix.SYS_USERFAULTFD, ^uintptr(0)) }},
	{"process_madvise(2)", func() error { return there(unix.EBADF, processMadvise, ^uintptr(0), 0, 0, unix.MADV_COLD, 0) }},
	{"process_mrelease(2)", func() error { return there(unix.EBADF, processMrelease, ^uintptr(0), 0) }},
	{"seccomp(2)", func() error {
		allow := uint32(unix.SECCOMP_RET_ALLOW)
		return call(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&allow)))
	}},
	{"ptrace(2)", func() error { return there(unix.ESRCH, unix.SYS_PTRACE, unix.PTRACE_CONT, 0, 0, 0) }},
	{"clone(2), CLONE_NEWPID", func() error { return start("/bin/true", unix.CLONE_NEWPID) }},
	{"signalfd4(2) refuses a mask of 4 bytes", func() error {
		var mask uint64
		return there(unix.EINVAL, unix.SYS_SIGNALFD4, ^uintptr(0), uintptr(unsafe.Pointer(&mask)), 4, 0)
	}},
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

func onSelf(flags int, do func(pidfd int) error) error {
	pidfd, err := unix.PidfdOpen(os.Getpid(), flags)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	return do(pidfd)
}

func create(flags int) error {
	fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC|flags)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func ioctl(fd int, request, arg uintptr) error {
	return call(unix.SYS_IOCTL, uintptr(fd), request, arg)
}

// request is the number of an ioctl(2), see asm/ioctl.h: on POWER, the direction
// has bits of its own.
func request(read, write bool, kind, number, size uintptr) uintptr {
	direction, readBit, writeBit, noneBit, shift := uintptr(0), uintptr(2), uintptr(1), uintptr(0), 30
	if runtime.GOARCH == "ppc64le" {
		readBit, writeBit, noneBit, shift = 2, 4, 1, 29
	}
	if read {
		direction |= readBit
	}
	if write {
		direction |= writeBit
	}
	if !read && !write {
		direction = noneBit
	}
	return direction<<shift | size<<16 | kind<<8 | number
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
	return onSelf(0, func(pidfd int) error {
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
