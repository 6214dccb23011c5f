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
	{"pidfd", "getrusage", "for the time without /proc: if it fails, MaxRSSExact is false"},
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
	{"internal/sys/unmask", "fcntl F_DUPFD_CLOEXEC", "made if the child inherits the next number: Start returns the error"},
	{"internal/sys/unmask", "call 262", "newfstatat(2) of package os, in filepath.Abs: if it fails, getcwd(2) tells the directory"},
	{"internal/sys/unmask", "openat", "made if the path of the child is that of a descriptor: Start returns the error"},
	{"memfd", "fsetxattr", "made only if memfd_create(2) returns EACCES for MFD_EXEC. If it fails too, Seals returns the error"},
	{"memfd", "read", "made by the reader that ReadFrom gets"},
	{"fd", "ioctl 21531", testsOwn},
	{"internal/sys", "membarrier 1073741824", "an invalid command, which a test uses to make the call fail"},
}

// callNames are the names of the calls in trials and in explained.
var callNames = make(map[uintptr]string)

func init() {
	for _, t := range trials {
		name, _, _ := strings.Cut(t.call, " ")
		callNames[t.number] = name
	}
	for number, name := range map[uintptr]string{
		unix.SYS_READV: "readv", unix.SYS_WRITEV: "writev", unix.SYS_PREAD64: "pread64", unix.SYS_PWRITE64: "pwrite64",
		unix.SYS_SHUTDOWN: "shutdown", unix.SYS_RT_SIGQUEUEINFO: "rt_sigqueueinfo",
		unix.SYS_GETPID: "getpid", unix.SYS_GETTID: "gettid", unix.SYS_GETUID: "getuid",
		unix.SYS_RT_SIGRETURN: "rt_sigreturn", unix.SYS_EPOLL_PWAIT: "epoll_pwait", unix.SYS_WAIT4: "wait4", unix.SYS_KILL: "kill", unix.SYS_PRLIMIT64: "prlimit64",
		unix.SYS_GETRUSAGE: "getrusage",
		unix.SYS_FSETXATTR: "fsetxattr",
	} {
		callNames[number] = name
	}
}

// callName returns the name of a call in trials.
func callName(number uintptr, args *[6]uint64) string {
	name := callNames[number]
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
