package signalfd

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Block has the signals of set blocked in every thread of the process, the
// runtime's included, so that [New] gives the kernel's own signalfd for them:
// real-time signals come in the order in which they were sent, and no handler is
// in between. It is for the first line of main:
//
//	func main() {
//		if err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1)); err != nil {
//			log.Fatal(err)
//		}
//
// Where they are blocked already, it returns nil. Otherwise it blocks them, with
// all that were blocked before, and starts the program anew by execve(2), in the
// same process: the runtime leaves blocked what was blocked when it began. So
// Block does not return then, and what came before it is done twice: the init
// functions and what stands before it in main. The process ID, the arguments and
// the environment, as [os.Args] and [os.Environ] give them, the working directory,
// limits, priority and the descriptors without close-on-exec stay; goroutines,
// threads, all other descriptors and captures end. It takes a millisecond or two.
//
// Programs that this one starts inherit the signals blocked, unless [Start]
// starts them. os/signal.Notify unblocks a signal in a thread of its own, and
// takes it away from the SignalFD: do not use both for one signal.
//
// The Go runtime keeps HUP, INT, QUIT, TERM, CHLD and 34 unblocked. For these,
// and for those that New refuses, Block fails with an [*UnblockableError] and does
// nothing. Where signals turn out not to be blocked although the program was
// started anew for them, the error is [ErrNotSticky]. If the program's file cannot
// be run it is an [*os.PathError] of execve; a file that was deleted or replaced
// meanwhile can. /proc must be mounted. The empty set is blocked already.
func Block(set Set) error {
	if bad := unblockable(set); !bad.Empty() {
		return &UnblockableError{bad}
	}
	everywhere := blockedEverywhere()
	missing := set &^ everywhere
	switch {
	case missing.Empty():
		return nil
	case missing&tried != 0:
		return fmt.Errorf("%w: %v", ErrNotSticky, missing&tried)
	}
	return execSelf(everywhere|set, tried|set)
}

// ErrNotSticky says that [Block] started the program anew with signals blocked,
// and that some thread has them unblocked all the same: an init function may have
// given them to os/signal.Notify.
var ErrNotSticky = errors.New("iofd: signalfd: blocked when the program was started anew, and unblocked since")

// An UnblockableError says which signals [Block] cannot block. It holds EINVAL.
type UnblockableError struct {
	Signals Set
}

func (e *UnblockableError) Error() string {
	advice := "New reads them without"
	if refuseReserved(e.Signals) != nil {
		advice = "some are not the program's at all"
	}
	return fmt.Sprintf("iofd: signalfd: %v cannot be blocked in every thread of a Go program; %s: %v", e.Signals, advice, unix.EINVAL)
}

// Unwrap returns EINVAL.
func (e *UnblockableError) Unwrap() error { return unix.EINVAL }

func unblockable(set Set) Set {
	return among(set, impossible) | among(set, reserved) | among(set, unblocked)
}

// execSelf starts the program anew with mask blocked. It returns only on failure.
func execSelf(mask, tried Set) error {
	path, err := executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, mask.sigset(), &old); err != nil {
		return os.NewSyscallError("rt_sigprocmask", err)
	}
	err = syscall.Exec(path, os.Args, append(os.Environ(), marker(tried)))
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	return &os.PathError{Op: "execve", Path: path, Err: err}
}

// executable returns the path of the running program: the one that it was
// started by, where that is still the same file, as the kernel names the process
// by it.
func executable() (string, error) {
	const self = "/proc/self/exe"
	if err := sys.CheckProc("self/exe"); err != nil {
		return "", err
	}
	running, err := os.Stat(self)
	if err != nil {
		return "", err
	}
	if path, err := os.Executable(); err == nil {
		if file, err := os.Stat(path); err == nil && os.SameFile(file, running) {
			return path, nil
		}
	}
	return self, nil
}

// tried are the signals for which this process has started its program anew.
var tried = takeMarker()

// markerName is the variable by which a program tells itself, across execve(2),
// what it has tried, as "pid:mask". It is taken out of the environment before
// anybody sees it; the PID tells it from one that got to another process all the
// same.
const markerName = "IOFD_SIGNALFD_BLOCKED"

func marker(tried Set) string {
	return fmt.Sprintf("%s=%d:%016x", markerName, os.Getpid(), uint64(tried))
}

func takeMarker() Set {
	value, ok := os.LookupEnv(markerName)
	if !ok {
		return 0
	}
	_ = os.Unsetenv(markerName) // fails only on an empty name
	pid, mask, _ := strings.Cut(value, ":")
	if pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return parseMask(mask)
}
