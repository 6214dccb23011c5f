package signalfd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/command"
)

// Start starts cmd as cmd.Start does, but with no signal blocked. It is for
// programs that use [Block], or were started with signals blocked: their children
// inherit that, and most programs never look, so that a child which has TERM
// blocked cannot be ended by it.
//
// Where nothing is blocked, Start is cmd.Start. Otherwise the child is traced by
// ptrace(2), PTRACE_SETSIGMASK of Linux 3.11, from when its program is loaded
// until that begins to run. So a set-user-ID program, or one with file
// capabilities, does not get its privileges unless the caller has CAP_SYS_PTRACE;
// and who reads SIGCHLD sees one with [CodeTrapped]. Signals that are sent to the
// child meanwhile take effect when it begins.
//
// A SysProcAttr in cmd is obeyed, its PidFD included, and is the same afterwards;
// a child for which the caller himself asks for Ptrace is left stopped.
//
// The errors are those of cmd.Start, unchanged. Where ptrace(2) is forbidden, by
// seccomp(2) or Yama or because the program runs under strace(1) -f, nothing runs,
// errors.Is finds EPERM, and the error names the env(1) command that does without.
// cmd.Process and cmd.Wait are as after cmd.Start. A nil cmd is refused with
// EINVAL.
func Start(cmd *exec.Cmd) error {
	if cmd == nil {
		return sys.Invalid("signalfd: command is nil")
	}
	// The mask that a child inherits is a thread's, and so is a tracer.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var mask unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, nil, &mask); err != nil {
		return os.NewSyscallError("rt_sigprocmask", err)
	}
	if setOf(&mask).Empty() {
		return cmd.Start()
	}
	if err := startTraced(cmd, &mask); err != nil {
		return err
	}
	callers := cmd.SysProcAttr
	err := emptyMask(cmd.Process.Pid, callers != nil && callers.Ptrace)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return err
}

// startTraced starts cmd so that the child stops when its program is loaded. mask
// is the thread's.
//
// A signal that came earlier would stop the child as well, and for good: the
// thread that alone can have it go on waits for it to load its program. As the
// child has blocked what the thread has, the thread blocks meanwhile all that a
// program may. SIGTRAP it may not: that makes the stop.
func startTraced(cmd *exec.Cmd, mask *unix.Sigset_t) error {
	all := setOf(mask) | ^among(^Set(0), reserved)
	all.Del(unix.SIGTRAP)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, all.sigset(), nil); err != nil {
		return os.NewSyscallError("rt_sigprocmask", err)
	}
	err := command.Start(cmd, func(c *exec.Cmd) { c.SysProcAttr.Ptrace = true })
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, mask, nil)
	if errors.Is(err, unix.EPERM) && ptraceForbidden() {
		var names []string
		for sig := range setOf(mask).all() {
			names = append(names, strings.TrimPrefix(signalName(sig), "SIG"))
		}
		err = fmt.Errorf("iofd: signalfd: ptrace(2) is forbidden, by which the child would begin with no signal blocked; "+
			"start it by env --default-signal=%s instead: %w", strings.Join(names, ","), err)
	}
	return err
}

// ptraceForbidden has a child ask to be traced. It does so last before it loads
// its program; a folder is none, so where it is allowed the error is EACCES.
func ptraceForbidden() bool {
	_, err := syscall.ForkExec("/", []string{"/"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Ptrace: true}})
	return err == unix.EPERM
}

// emptyMask waits for the stop of the child that this thread traces, has it begin
// with no signal blocked, and lets go of it unless stay.
//
// It asks again and again, as waitid(2) alone is no guide: whoever reaps all
// children of the program may have taken the stop from it.
func emptyMask(pid int, stay bool) error {
	told := false // by waitid(2), that the child has ended, or is nobody's any more
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		err := sys.PtraceSetsigmask(pid, new(unix.Sigset_t))
		if err == nil && !stay {
			err = os.NewSyscallError("ptrace", unix.PtraceDetach(pid))
		}
		switch {
		case !errors.Is(err, unix.ESRCH):
			return err
		case told:
			return nil // it has ended, of which cmd.Wait tells
		}
		_, err = sys.Waitid(unix.P_PID, pid, unix.WNOWAIT)
		switch {
		case err == nil, errors.Is(err, unix.ECHILD):
			told = true
		case errors.Is(err, fd.ErrWouldBlock):
			time.Sleep(pause)
		default:
			return err
		}
	}
}
