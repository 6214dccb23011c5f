package signalfd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/unmask"
)

// Start starts cmd as cmd.Start does, but with no signal blocked. It is for programs
// that use [Block], or that were started with signals blocked. Their children inherit
// the mask, and few programs change it: a child that has SIGTERM blocked does not end
// by SIGTERM.
//
// If the calling thread has no signal blocked, Start is cmd.Start. Otherwise the child
// first executes a small program in an anonymous file, see memfd_create(2). That
// program empties the mask and executes cmd.Path. The child has the same process ID,
// arguments, environment, descriptors and privileges as with cmd.Start.
//
// The errors are those of cmd.Start. If Start cannot empty the mask, it starts nothing.
// The error then matches errors.ErrUnsupported, and names the env(1) command that
// empties the mask. The cases are:
//
//   - cmd.SysProcAttr has Chroot or Ptrace.
//   - The processor is not amd64, arm64, riscv64 or loong64.
//   - /proc is not mounted.
//   - The kernel or a security module refuses executable anonymous files, see
//     vm.memfd_noexec in proc_sys_vm(5).
//   - RLIMIT_FSIZE is less than the size of the small program, at most 5 KiB.
//
// Start differs from cmd.Start in these details:
//
//   - It needs up to four more free descriptor numbers, and the same after those of
//     cmd.ExtraFiles. If RLIMIT_NOFILE leaves too few, Start returns EMFILE or EBADF.
//   - If the process is not root, its capabilities end with the first execve(2) unless
//     they are ambient. The kernel looks up cmd.Path without them.
//   - If cmd.Path is /proc/self/exe or a close-on-exec descriptor in /proc/self/fd, the
//     child's thread name is a number. A symbolic link to such a path does not work:
//     the child exits with status 127.
//
// Start returns when cmd.Path runs. If the child is stopped before, Start waits until it
// continues or ends, as cmd.Start does.
//
// Start returns EINVAL if cmd is nil. Requires Linux 5.6 if a signal is blocked.
func Start(cmd *exec.Cmd) error {
	if cmd == nil {
		return sys.Invalid("signalfd: Start: command is nil")
	}
	// The child inherits the mask of the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var mask unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, nil, &mask); err != nil {
		return os.NewSyscallError("rt_sigprocmask", err)
	}
	blocked := setOf(&mask)
	if blocked.Empty() {
		return cmd.Start()
	}
	err := unmask.Start(cmd)
	var refusal *unmask.Refusal
	if errors.As(err, &refusal) {
		var names []string
		for sig := range blocked.all() {
			names = append(names, strings.TrimPrefix(signalName(sig), "SIG"))
		}
		err = fmt.Errorf("iofd: signalfd: Start: the child cannot begin with no signal blocked; start it by env --default-signal=%s: %w",
			strings.Join(names, ","), refusal)
	}
	return err
}
