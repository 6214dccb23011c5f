package main

import (
	"fmt"
	"regexp"
	"slices"
)

// A knownSkip explains why a test that gives a certain reason is skipped. It holds on
// machines of one kind or of all, and only if the probe found that the machine lacks the feature.
// The probe does not use the library. It has no question about what the test itself tries by a
// bare system call.
type knownSkip struct {
	kind       kind     // all if empty
	processors []string // all if empty
	reason     *regexp.Regexp
	probe      string // the question that is not answered yes; none if empty
	why        string
}

var (
	fallback = []string{"386", "arm", "ppc64le", "s390x"}
	reason   = regexp.MustCompile
)

var knownSkips = []knownSkip{
	{user, nil, reason(`seccomp\(2\)`), "seccomp(2)", "QEMU has no seccomp(2)"},
	{user, nil, reason(`ptrace\(2\)|since Linux 3\.4: function not implemented`), "ptrace(2)", "QEMU has no ptrace(2)"},
	{user, nil, reason(`memfd_secret: function not implemented`), "memfd_secret(2)", "QEMU has no memfd_secret(2)"},
	{user, nil, reason(`since Linux 6\.1[35]: unsupported`), "PIDFD_GET_INFO", "QEMU does not know the ioctl(2) PIDFD_GET_INFO"},
	{user, nil, reason(`since Linux 6\.11: ioctl`), "PIDFD_GET_PID_NAMESPACE", "QEMU does not know the ioctl(2) calls for namespaces"},
	{user, nil, reason(`makes no (PID )?namespaces|needs namespaces|neither users nor namespaces`), "clone(2), CLONE_NEWPID", "QEMU refuses to clone(2) into new namespaces"},
	{user, nil, reason(`does not number signals`), "real-time signal by pidfd_send_signal(2), with its siginfo", "QEMU translates the signal's number, but not the siginfo that has it too"},
	{user, nil, reason(`process handle unavailable`), "os.Process.WithHandle", "package os finds no pidfds that work under QEMU"},
	{user, nil, reason(`keeps the descriptors that do not fit`), "recvmsg(2) closes what does not fit", "QEMU receives into a buffer of its own, and leaks the descriptors that do not fit into the program's"},
	{user, nil, reason(`does not run programs for`), "execve(2) of itself", "the kernel runs no programs of that processor"},
	{user, []string{"386"}, reason(`does not run programs for`), "", "the kernel would run it itself, without QEMU"},
	{user, nil, reason(`gives descriptor 0 for a pidfd`), "", "QEMU reports a pidfd 0 where clone(2) failed to make one"},
	{user, nil, reason(`a queue of its own`), "", "QEMU takes signals from the kernel and queues them itself, without RLIMIT_SIGPENDING"},
	{user, nil, reason(`system calls are not its program's`), "", "QEMU needs descriptors of its own when there are none left"},
	{user, nil, reason(`userfaultfd: function not implemented`), "", "QEMU has no userfaultfd(2)"},
	{user, nil, reason(`needs io_setup\(2\): function not implemented`), "", "QEMU has no io_setup(2)"},
	{user, nil, reason(`needs SO_TIMESTAMPING`), "", "QEMU does not know that option of setsockopt(2)"},
	{user, nil, reason(`needs SO_ZEROCOPY`), "", "QEMU does not know that option of setsockopt(2)"},
	{user, nil, reason(`copies the memory of a child of vfork`), "", "QEMU makes a vfork(2) of a fork(2)"},
	{user, nil, reason(`ends the process with its first thread`), "", "QEMU ends a process with its first thread"},
	{user, nil, reason(`uses memory of its own`), "", "QEMU's own memory counts as the program's"},
	{user, nil, reason(`makes no such children`), "", "QEMU refuses to clone(2) without an exit signal"},
	{user, nil, reason(`splice\(2\) does not hold the lock`), "", "QEMU reads into a buffer of its own first"},
	{user, nil, reason(`masks in /proc are those of the emulator`), "", "QEMU blocks signals for itself, and /proc tells of that"},
	{user, nil, reason(`emulator changes the siginfo`), "", "QEMU converts the siginfo, and loses parts of it"},
	{system, nil, reason(`^splice\(2\) to a full socket does not wait`), "", "that kernel's splice(2) puts more into a Unix socket than fits"},
	{user, nil, reason(`emulator ignores advice`), "", "QEMU does nothing for most of madvise(2)"},
	{system, nil, reason(`no network device that can be added`), "", "its devices are modules of that kernel, and none is loaded"},
	{system, nil, reason(`beyond RLIMIT_MEMLOCK without CAP_IPC_LOCK`), "", "that kernel does not enforce the limit"},
	{system, nil, reason(`needs FUSE: `), "", "it is a module of that kernel, and none is loaded"},
	{system, nil, reason(`needs a cgroup`), "", "no cgroup2 is mounted there"},
	{system, nil, reason(`needs env\(1\) with --default-signal`), "", "busybox's env(1) does not have the option"},
	{native, nil, reason(`^suspends the machine`), "", "it is not suspended for a test"},
	{user, nil, reason(`^suspends the machine`), "", "it is not suspended for a test"},
	{system, []string{"ppc64le"}, reason(`has no memfd_secret\(2\)`), "memfd_secret(2)", "Linux has no memfd_secret(2) for that processor"},
	{system, []string{"s390x", "loong64"}, reason(`needs huge pages`), "memfd_create(2), MFD_HUGETLB", "that processor has no huge pages of 2 MiB, which the tests use"},
	{system, []string{"arm64", "riscv64", "loong64", "ppc64le", "s390x"}, reason(`needs suspend to RAM`), "", "QEMU's machine has no suspend to RAM"},
	{user, nil, reason(`does not return 0 bytes`), "", "QEMU returns EINVAL if a read(2) of a timerfd gives 0 bytes"},
	{user, nil, reason(`no huge pages to be had`), "", "QEMU maps pages of the processor's usual size only"},
	{"", fallback, reason(`^no (handler|program) for`), "", "the library captures and unblocks signals in assembly, which there is none of; its documentation says so"},
}

var since = regexp.MustCompile(`^since Linux (\d+)\.(\d+): `)

// explain sets why each test was skipped. A test that was skipped for no known reason has
// failed.
func explain(r *result) {
	for i := range r.Cells {
		c := &r.Cells[i]
		skipped := c.Skipped
		c.Skipped = nil
		for _, s := range skipped {
			if s.Why = why(r, s.Reason); s.Why != "" {
				c.Skipped = append(c.Skipped, s)
			} else {
				c.Failed = append(c.Failed, failure{s.Test, "skipped for no reason that holds there: " + s.Reason})
			}
		}
	}
}

func why(r *result, given string) string {
	if v := since.FindStringSubmatch(given); v != nil && r.Kind == system && compareVersions(series(r.Kernel), v[1]+"."+v[2]) < 0 {
		return fmt.Sprintf("Linux %s.%s brought it", v[1], v[2])
	}
	for _, e := range knownSkips {
		if e.holds(r) && e.reason.MatchString(given) {
			return e.why
		}
	}
	return ""
}

func (e knownSkip) holds(r *result) bool {
	if e.kind != "" && e.kind != r.Kind || e.processors != nil && !slices.Contains(e.processors, r.Processor) {
		return false
	}
	return e.probe == "" || slices.ContainsFunc(r.Probe, func(a answer) bool { return a.Call == e.probe && a.Answer != yes })
}

const yes = "yes" // the probe's answer for a feature that is there

// series returns the first two numbers of a kernel's release.
func series(release string) string { return regexp.MustCompile(`^\d+\.\d+`).FindString(release) }
