package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/program"
)

// A sandbox is an environment in which a program may have to run. A child runs the smoke
// test there.
type sandbox struct {
	name string

	clone  uintptr // the namespaces of the sandbox
	nobody bool    // the user is not root

	// enter is the child's work before the smoke test.
	enter func() error

	// apart has the features that do not work there, each with the beginning of the
	// smoke test's result.
	apart map[string]string
}

// forbids is a sandbox where a seccomp filter refuses calls.
func forbids(name string, errno unix.Errno, apart map[string]string, calls ...uintptr) sandbox {
	return sandbox{name: name, apart: apart, enter: func() error {
		var refusals []systest.Refusal
		for _, call := range calls {
			refusals = append(refusals, systest.Refusal{Call: call, Errno: errno})
		}
		// A Go program ends if the runtime's poller cannot start, and the poller needs
		// an eventfd itself. The sleep starts it before the filter.
		time.Sleep(time.Nanosecond)
		_, err := filterAll(0, refusals...)
		return err
	}}
}

// withoutProc has the features that need /proc. Their errors say so.
var withoutProc = map[string]string{
	"eventfd.Value":        "unsupported: iofd: /proc is not mounted",
	"eventfd.FromFD":       "unsupported: iofd: /proc is not mounted",
	"memfd.ReopenReadOnly": "unsupported: iofd: /proc is not mounted",
	"memfd.ReceiveFrom":    "unsupported: iofd: /proc is not mounted",

	"signalfd.Start, with a signal blocked": "unsupported: iofd: signalfd: Start: the child cannot begin with no signal blocked",
}

var sandboxes = []sandbox{
	{name: "as it is"},

	// The default profiles of Docker and Podman refuse these calls of the library,
	// because the container has no CAP_SYS_PTRACE. They allow all its other calls.
	forbids("container default", unix.EPERM, map[string]string{
		"pidfd.GetFD": "forbidden: pidfd_getfd: ",
	}, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PROCESS_MADVISE, unix.SYS_CLOCK_SETTIME, unix.SYS_MOUNT, unix.SYS_UNSHARE, unix.SYS_SETNS),
	forbids("container default, before Linux 4.8", unix.EPERM, map[string]string{
		"pidfd.GetFD": "forbidden: pidfd_getfd: ",
	}, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV),
	forbids("no membarrier", unix.EPERM, nil, unix.SYS_MEMBARRIER),
	{
		name: "no membarrier any more", // refused once it was registered for
		enter: func() error {
			if err := useAfterClose(1); err != nil {
				return err
			}
			return forbids("", unix.EPERM, nil, unix.SYS_MEMBARRIER).enter()
		},
	},
	forbids("no pidfd_open", unix.ENOSYS, map[string]string{
		"pidfd.Open":       "unsupported: pidfd_open: ",
		"pidfd.OpenEnded":  "unsupported: pidfd_open: ",
		"pidfd.SendSignal": "unsupported: pidfd_open: ",
		"pidfd.Info":       "unsupported: pidfd_open: ",
		"pidfd.GetFD":      "unsupported: pidfd_open: ",
		"pidfd.Namespace":  "unsupported: pidfd_open: ",
	}, unix.SYS_PIDFD_OPEN),
	forbids("no pidfd_getfd", unix.EPERM, map[string]string{"pidfd.GetFD": "forbidden: pidfd_getfd: "}, unix.SYS_PIDFD_GETFD),
	forbids("no pidfd_send_signal", unix.EPERM, map[string]string{"pidfd.SendSignal": "forbidden: pidfd_send_signal: "}, unix.SYS_PIDFD_SEND_SIGNAL),
	forbids("no ptrace", unix.EPERM, nil, unix.SYS_PTRACE),
	forbids("no memfd_secret", unix.ENOSYS, map[string]string{"memfd.NewSecret": "unsupported: memfd_secret: "}, 447),
	forbids("no memfd_create", unix.EPERM, map[string]string{
		"memfd":                "forbidden: memfd_create: ",
		"memfd.ReopenReadOnly": "forbidden: preparing: memfd_create: ",
		"memfd.ReceiveFrom":    "forbidden: preparing: memfd_create: ",

		"signalfd.Start, with a signal blocked": "unsupported: iofd: signalfd: Start: the child cannot begin with no signal blocked",
	}, unix.SYS_MEMFD_CREATE),
	forbids("no timerfd", unix.ENOSYS, map[string]string{"timerfd": "unsupported: timerfd_create: "}, unix.SYS_TIMERFD_CREATE),
	forbids("no signalfd", unix.EPERM, map[string]string{
		"signalfd.Open": "forbidden: signalfd4: ",
	}, unix.SYS_SIGNALFD4),
	forbids("no eventfd", unix.ENOSYS, map[string]string{
		"fd, closed by another goroutine": "unsupported: eventfd2: ",
		"eventfd":                         "unsupported: eventfd2: ",
		"eventfd.Value":                   "unsupported: preparing: eventfd2: ",
		"eventfd.FromFD":                  "unsupported: preparing: eventfd2: ",
		"signalfd.New":                    "unsupported: eventfd2: ",
	}, unix.SYS_EVENTFD2),

	{name: "no /proc", clone: unix.CLONE_NEWNS, apart: withoutProc, enter: func() error {
		return mount("tmpfs", "/proc", "tmpfs", 0)
	}},
	{name: "read-only /proc", clone: unix.CLONE_NEWNS | unix.CLONE_NEWPID, enter: func() error {
		return mount("proc", "/proc", "proc", unix.MS_RDONLY)
	}},
	{name: "PID 1", clone: unix.CLONE_NEWPID | unix.CLONE_NEWNS, enter: func() error {
		if os.Getpid() != 1 {
			return fmt.Errorf("this is process %d", os.Getpid())
		}
		return mount("proc", "/proc", "proc", 0)
	}},
	{name: "nobody", nobody: true},
	{name: "a user namespace", clone: unix.CLONE_NEWUSER},
	{name: "a chroot without /proc", clone: unix.CLONE_NEWNS, apart: withoutProc, enter: chroot},
}

func mount(source, target, kind string, flags uintptr) error {
	return os.NewSyscallError("mount", errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount(source, target, kind, flags, "")))
}

// chroot makes a root directory in memory with the files that programs need. It
// disappears with the mount namespace.
func chroot() error {
	root := "/tmp" // the content of /tmp is hidden in this namespace only
	if err := mount("tmpfs", root, "tmpfs", 0); err != nil {
		return err
	}
	for _, name := range []string{"bin", "dev", "lib", "lib64", "usr"} {
		target := filepath.Join(root, name)
		if link, err := os.Readlink("/" + name); err == nil {
			if err := os.Symlink(link, target); err != nil {
				return err
			}
			continue
		}
		if _, err := os.Stat("/" + name); err != nil {
			continue
		}
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("/"+name, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return os.NewSyscallError("mount", err)
		}
	}
	if err := unix.Chroot(root); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	return os.Chdir("/")
}

// errNotHere says that this machine does not let a program get to a sandbox.
var errNotHere = errors.New("not on this machine")

// statusNotHere is the exit status of a child that cannot get to its sandbox.
const statusNotHere = 77

// forbidden are the calls that a seccomp(2) filter of this machine may refuse in every
// sandbox, and the features that do not work then.
var forbidden = map[string]uintptr{
	"pidfd.GetFD": unix.SYS_PIDFD_GETFD,
}

// attributes returns the attributes of a child that runs in the sandbox.
func (p *sandbox) attributes() (*syscall.SysProcAttr, error) {
	attr, err := &syscall.SysProcAttr{}, error(nil)
	switch {
	case p.nobody && os.Getuid() == 0:
		attr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		err = systest.TryUser(65534, 65534)
	case p.clone != 0:
		attr, err = systest.TryNamespaces(p.clone)
	}
	if systest.Refused(err) {
		err = fmt.Errorf("%w: %w", errNotHere, err)
	}
	return attr, err
}

// run runs the smoke test in a child in the sandbox and returns the result for each
// feature. The error is errNotHere if this machine does not let the child enter the
// sandbox.
func (p *sandbox) run(index int) (map[string]string, error) {
	cmd, err := program.Child("smoke", fmt.Sprint(index))
	if err != nil {
		return nil, err
	}
	if cmd.SysProcAttr, err = p.attributes(); err != nil {
		return nil, err
	}
	if cmd.SysProcAttr.Credential != nil {
		// The test binary is in a directory that only its owner can read.
		binary, err := os.Open(cmd.Path)
		if err != nil {
			return nil, err
		}
		defer binary.Close()
		cmd.ExtraFiles = []*os.File{binary}
		cmd.Path, cmd.Dir = "/proc/self/fd/3", "/"
	}
	out, err := cmd.Output()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == statusNotHere {
		return nil, fmt.Errorf("%w: %s", errNotHere, out)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", p.name, err, out)
	}
	var results map[string]string
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, fmt.Errorf("%s: %w: %q", p.name, err, out)
	}
	return results, nil
}

// smoke is the child's part: it enters a sandbox and runs the smoke test there.
func smoke(argument string) error {
	var index int
	if _, err := fmt.Sscan(argument, &index); err != nil {
		return err
	}
	if enter := sandboxes[index].enter; enter != nil {
		if err := enter(); errors.Is(err, unix.EPERM) {
			fmt.Print(err)
			os.Exit(statusNotHere)
		} else if err != nil {
			return fmt.Errorf("%s: %w", sandboxes[index].name, err)
		}
	}
	return smokeTest()
}

// unexpected returns the results of a smoke test that the sandbox does not allow.
func (p *sandbox) unexpected(results map[string]string) (all []string) {
	for _, s := range checks {
		if call, listed := forbidden[s.feature]; listed && systest.TryCall(call) != nil {
			continue
		}
		want, got := p.apart[s.feature], results[s.feature]
		if want == "" {
			want = "works"
		}
		if !strings.HasPrefix(got, want) {
			all = append(all, fmt.Sprintf("%s: %s: %q, not %q", p.name, s.feature, got, want))
		}
	}
	return all
}
