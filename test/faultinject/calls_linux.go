package main

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

// commands are the calls that stand for many: the argument that tells these apart,
// and the names of its values.
var commands = map[uintptr]struct {
	argument int
	names    map[uint64]string
}{
	systest.Fcntl: {1, map[uint64]string{
		unix.F_GETFL: "F_GETFL", unix.F_SETFL: "F_SETFL", unix.F_GETFD: "F_GETFD", unix.F_SETFD: "F_SETFD",
		unix.F_DUPFD_CLOEXEC: "F_DUPFD_CLOEXEC", unix.F_DUPFD_QUERY: "F_DUPFD_QUERY",
		unix.F_ADD_SEALS: "F_ADD_SEALS", unix.F_GET_SEALS: "F_GET_SEALS",
	}},
	unix.SYS_EPOLL_CTL: {1, map[uint64]string{
		unix.EPOLL_CTL_ADD: "EPOLL_CTL_ADD", unix.EPOLL_CTL_DEL: "EPOLL_CTL_DEL",
	}},
	unix.SYS_GETSOCKOPT: {2, map[uint64]string{
		unix.SO_PEERCRED: "SO_PEERCRED", unix.SO_PEERPIDFD: "SO_PEERPIDFD", unix.SO_TYPE: "SO_TYPE",
	}},
	unix.SYS_MEMBARRIER: {0, map[uint64]string{
		1 << 3: "PRIVATE_EXPEDITED", 1 << 4: "REGISTER_PRIVATE_EXPEDITED",
	}},
	unix.SYS_IOCTL: {1, map[uint64]string{unix.PIDFD_GET_INFO: "PIDFD_GET_INFO"}},
}

// numbers are the numbers of the calls in trials and in explained.
var numbers = map[string]uintptr{
	"clock_gettime": unix.SYS_CLOCK_GETTIME, "clone": unix.SYS_CLONE, "close": unix.SYS_CLOSE,
	"epoll_create1": unix.SYS_EPOLL_CREATE1, "epoll_ctl": unix.SYS_EPOLL_CTL, "epoll_pwait": unix.SYS_EPOLL_PWAIT,
	"eventfd2": unix.SYS_EVENTFD2, "execve": unix.SYS_EXECVE, "fallocate": unix.SYS_FALLOCATE, "fchmod": unix.SYS_FCHMOD,
	"fcntl": systest.Fcntl, "fsetxattr": unix.SYS_FSETXATTR, "fstat": unix.SYS_FSTAT, "fstatfs": unix.SYS_FSTATFS,
	"ftruncate": systest.Ftruncate, "getdents64": unix.SYS_GETDENTS64, "getpid": unix.SYS_GETPID,
	"getrusage": unix.SYS_GETRUSAGE, "getsockopt": unix.SYS_GETSOCKOPT, "gettid": unix.SYS_GETTID, "getuid": unix.SYS_GETUID,
	"ioctl": unix.SYS_IOCTL, "kcmp": unix.SYS_KCMP, "kill": unix.SYS_KILL, "lseek": unix.SYS_LSEEK, "madvise": unix.SYS_MADVISE,
	"membarrier": unix.SYS_MEMBARRIER, "memfd_create": unix.SYS_MEMFD_CREATE, "memfd_secret": 447, "mmap": systest.Mmap,
	"munmap": unix.SYS_MUNMAP, "openat": unix.SYS_OPENAT, "openat2": unix.SYS_OPENAT2, "pidfd_getfd": unix.SYS_PIDFD_GETFD,
	"pidfd_open": unix.SYS_PIDFD_OPEN, "pidfd_send_signal": unix.SYS_PIDFD_SEND_SIGNAL, "pipe2": unix.SYS_PIPE2,
	"ppoll": unix.SYS_PPOLL, "pread64": unix.SYS_PREAD64, "preadv2": unix.SYS_PREADV2, "prlimit64": unix.SYS_PRLIMIT64,
	"pwrite64": unix.SYS_PWRITE64, "pwritev2": unix.SYS_PWRITEV2, "read": unix.SYS_READ, "readlinkat": unix.SYS_READLINKAT,
	"readv": unix.SYS_READV, "recvfrom": unix.SYS_RECVFROM, "recvmsg": unix.SYS_RECVMSG, "rt_sigaction": unix.SYS_RT_SIGACTION,
	"rt_sigprocmask": unix.SYS_RT_SIGPROCMASK, "rt_sigqueueinfo": unix.SYS_RT_SIGQUEUEINFO, "rt_sigreturn": unix.SYS_RT_SIGRETURN,
	"sendmsg": unix.SYS_SENDMSG, "sendto": unix.SYS_SENDTO, "shutdown": unix.SYS_SHUTDOWN, "signalfd4": unix.SYS_SIGNALFD4,
	"statx": unix.SYS_STATX, "timerfd_create": unix.SYS_TIMERFD_CREATE, "timerfd_gettime": unix.SYS_TIMERFD_GETTIME,
	"timerfd_settime": unix.SYS_TIMERFD_SETTIME, "wait4": unix.SYS_WAIT4, "waitid": unix.SYS_WAITID, "write": unix.SYS_WRITE,
	"writev": unix.SYS_WRITEV,
}

// numberOf returns the number of a call in trials.
func numberOf(call string) uintptr {
	name, _, _ := strings.Cut(call, " ")
	return numbers[name]
}

// callName returns the name of a call in trials.
func callName(number uintptr, args *[6]uint64) string {
	name := fmt.Sprint("call ", number)
	for known, n := range numbers {
		if n == number {
			name = known
		}
	}
	c, ok := commands[number]
	if !ok {
		return name
	}
	value := uint64(uint32(args[c.argument]))
	word, known := c.names[value]
	switch {
	case known:
	case number == unix.SYS_IOCTL && value >= unix.PIDFD_GET_CGROUP_NAMESPACE && value <= unix.PIDFD_GET_UTS_NAMESPACE:
		word = "PIDFD_GET_NAMESPACE"
	default:
		word = fmt.Sprint(value)
	}
	return name + " " + word
}
