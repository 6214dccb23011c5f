package main

// An explanation says why no trial refuses a call, by package and names. "all" stands
// for any.
type explanation struct{ by, calls, why string }

const (
	cannotFail = "cannot fail"
	execs      = "package os/exec's: cmd.Start and cmd.Wait return the error. `clone` in pidfd.Start stands for them"
	pollerTry  = "package os offers each file to the poller, and does without it"
	ignored    = "the kernel has closed the descriptor even if it reports an error, and nothing was written"
	testsOwn   = "in a test's own function"
	ownTests   = "refused in the package's own tests, which find the name of the call in the error"
)

var explained = []explanation{
	{"all", "getpid, gettid, getuid", cannotFail},
	{"fd", "getsockopt SO_TYPE, recvmsg, sendmsg, shutdown", ownTests},
	{"internal/sys", "pread64", "FD.ReadAt: " + ownTests},
	{"internal/sys", "pwrite64", "FD.WriteAt: " + ownTests},
	{"internal/sys", "readv", "FD.Readv: " + ownTests},
	{"internal/sys", "writev", "FD.Writev: " + ownTests},
	{"internal/sys", "clock_gettime", "TimerFD.WaitUntil: " + ownTests},
	{"internal/sys/capture", "rt_sigreturn", "does not return"},
	{"internal/sys/capture", "rt_sigqueueinfo", "if it fails, the handler calls kill(2)"},
	{"internal/sys/capture", "write", "to an eventfd: the Go runtime makes it too, and ends the program if it fails"},
	{"internal/sys/command", "all", execs},
	{"signalfd", "clone, wait4, waitid", execs},
	{"internal/sys/unmask", "clone, wait4, waitid, pidfd_send_signal", execs},
	{"pidfd", "kill", "package os's, in os.Process.Signal: FromProcess learns from it why there is no handle"},
	{"pidfd", "getrusage", "if it fails, MaxRSSExact is false"},
	{"all", "epoll_ctl EPOLL_CTL_ADD, fcntl F_GETFL, fcntl F_SETFL", pollerTry},
	{"all", "epoll_ctl EPOLL_CTL_DEL", "ignored: the runtime's poller forgets the descriptor anyway"},
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
