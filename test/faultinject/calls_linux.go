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
	unix.SYS_IOCTL: {1, ioctls()},
}

func ioctls() map[uint64]string {
	names := map[uint64]string{unix.PIDFD_GET_INFO: "PIDFD_GET_INFO"}
	for _, kind := range []uint64{
		unix.PIDFD_GET_CGROUP_NAMESPACE, unix.PIDFD_GET_IPC_NAMESPACE, unix.PIDFD_GET_MNT_NAMESPACE,
		unix.PIDFD_GET_NET_NAMESPACE, unix.PIDFD_GET_PID_NAMESPACE, unix.PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE,
		unix.PIDFD_GET_TIME_NAMESPACE, unix.PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE,
		unix.PIDFD_GET_USER_NAMESPACE, unix.PIDFD_GET_UTS_NAMESPACE,
	} {
		names[kind] = "PIDFD_GET_NAMESPACE"
	}
	return names
}

// An explanation says why no trial refuses a call, by package and name. "*" stands for
// any.
type explanation struct{ by, call, why string }

const (
	cannotFail = "cannot fail"
	execs      = "package os/exec's: cmd.Start and cmd.Wait return the error. `clone` in pidfd.Start stands for them"
	pollerTry  = "package os offers each file to the poller, and does without it"
	ignored    = "the kernel has closed the descriptor even if it reports an error, and nothing was written"
	testsOwn   = "in a test's own function"
	ownTests   = "refused in the package's own tests, which find the name of the call in the error"
)

var explained = []explanation{
	{"*", "getpid", cannotFail},
	{"*", "gettid", cannotFail},
	{"*", "getuid", cannotFail},
	{"fd", "getsockopt SO_TYPE", ownTests},
	{"fd", "recvmsg", ownTests},
	{"fd", "sendmsg", ownTests},
	{"fd", "shutdown", ownTests},
	{"internal/sys", "pread64", "FD.ReadAt: " + ownTests},
	{"internal/sys", "pwrite64", "FD.WriteAt: " + ownTests},
	{"internal/sys", "readv", "FD.Readv: " + ownTests},
	{"internal/sys", "writev", "FD.Writev: " + ownTests},
	{"internal/sys", "clock_gettime", "TimerFD.WaitUntil: " + ownTests},
	{"internal/sys/capture", "rt_sigreturn", "does not return"},
	{"internal/sys/capture", "rt_sigqueueinfo", "if it fails, the handler calls kill(2)"},
	{"internal/sys/capture", "write", "to an eventfd: the Go runtime makes it too, and ends the program if it fails"},
	{"internal/sys/command", "*", execs},
	{"signalfd", "clone", execs},
	{"signalfd", "wait4", execs},
	{"signalfd", "waitid", execs},
	{"internal/sys/unmask", "clone", execs},
	{"internal/sys/unmask", "wait4", execs},
	{"internal/sys/unmask", "waitid", execs},
	{"internal/sys/unmask", "pidfd_send_signal", execs},
	{"pidfd", "kill", "package os's, in os.Process.Signal: FromProcess learns from it why there is no handle"},
	{"pidfd", "getrusage", "if it fails, MaxRSSExact is false"},
	{"*", "epoll_ctl EPOLL_CTL_ADD", pollerTry},
	{"*", "fcntl F_GETFL", pollerTry},
	{"*", "fcntl F_SETFL", pollerTry},
	{"*", "epoll_ctl EPOLL_CTL_DEL", "ignored: the runtime's poller forgets the descriptor anyway"},
	{"fd", "epoll_pwait", "the runtime's poller makes it too, and ends the program if it fails"},
	{"fd", "close", ignored},
	{"memfd", "close", ignored},
	{"pidfd", "close", ignored},
	{"signalfd", "close", ignored},
	{"signalfd", "prlimit64", cannotFail},
	{"internal/sys/unmask", "close", ignored},
	{"signalfd", "fcntl F_DUPFD_CLOEXEC", "a captured signal's first wait: ReadContext returns the error. `FD.ReadContext, the first` stands for it"},
	{"internal/sys/unmask", "fcntl F_DUPFD_CLOEXEC", "made if the child inherits the next number: Start returns the error"},
	{"internal/sys/unmask", "call 262", "newfstatat(2) of package os, in filepath.Abs: if it fails, getcwd(2) tells the directory"},
	{"internal/sys/unmask", "openat", "made if the path of the child is that of a descriptor: Start returns the error"},
	{"memfd", "fsetxattr", "made only if memfd_create(2) returns EACCES for MFD_EXEC. If it fails too, Seals returns the error"},
	{"memfd", "read", "made by the reader that ReadFrom gets"},
	{"fd", "ioctl 21531", testsOwn},
	{"internal/sys", "membarrier 1073741824", "an invalid command, which a test uses to make the call fail"},
}

// numbers are the numbers of the calls in trials and in explained.
var numbers = map[string]uintptr{
	"clock_gettime": unix.SYS_CLOCK_GETTIME, "clone": unix.SYS_CLONE, "close": unix.SYS_CLOSE,
	"epoll_create1": unix.SYS_EPOLL_CREATE1, "epoll_ctl": unix.SYS_EPOLL_CTL, "epoll_pwait": unix.SYS_EPOLL_PWAIT,
	"eventfd2": unix.SYS_EVENTFD2, "execve": unix.SYS_EXECVE, "fallocate": unix.SYS_FALLOCATE, "fchmod": unix.SYS_FCHMOD,
	"fcntl": systest.Fcntl, "fsetxattr": unix.SYS_FSETXATTR, "fstat": unix.SYS_FSTAT, "fstatfs": unix.SYS_FSTATFS,
	"ftruncate": systest.Ftruncate, "futex": unix.SYS_FUTEX, "getdents64": unix.SYS_GETDENTS64, "getpid": unix.SYS_GETPID,
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

// init gives each trial the number of its call, and the arguments that its call names.
func init() {
	for i := range trials {
		t := &trials[i]
		name, word, _ := strings.Cut(t.call, " ")
		var known bool
		if t.number, known = numbers[name]; !known {
			panic("no number of " + t.call)
		}
		c := commands[t.number]
		switch {
		case word != "":
			t.match = func(args *[6]uint64) bool { return c.names[uint64(uint32(args[c.argument]))] == word }
		case name == "clone": // of a child, not of a thread
			t.match = func(args *[6]uint64) bool { return args[0]&unix.CLONE_VFORK != 0 }
		}
	}
}

// callName returns the name of a call in trials.
func callName(number uintptr, args *[6]uint64) string {
	name := ""
	for known, n := range numbers {
		if n == number {
			name = known
		}
	}
	if name == "" {
		return fmt.Sprintf("call %d", number)
	}
	if c, ok := commands[number]; ok {
		value := uint64(uint32(args[c.argument]))
		word := c.names[value]
		if word == "" {
			word = fmt.Sprint(value)
		}
		name += " " + word
	}
	return name
}
