//go:build amd64 || arm64 || riscv64 || loong64

package capture

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// An entry is what the handler knows of a signal. The assembly finds its fields
// through go_asm.h.
type entry struct {
	keeper atomic.Int32  // the thread that the signal goes to; 0: none
	active atomic.Int32  // handlers of the signal that run now
	lost   atomic.Uint64 // signals that could not be passed on
}

// entrySize is what the assembly multiplies a signal number by.
const entrySize = 16

var _ [entrySize]byte = [unsafe.Sizeof(entry{})]byte{}

// table has the entry of every signal, by number.
var table [65]entry

// handlerPC is the address of the assembly handler, set by the assembly.
var handlerPC uintptr

// changing is held while a redirection begins or ends, so that what the handlers
// of one do is over, and counted, when the next begins.
var changing sync.Mutex

// A Redirection is a signal on its way to a keeper.
type Redirection struct {
	sig    syscall.Signal
	old    action
	before uint64        // what the signal had lost when the redirection began
	after  atomic.Uint64 // and when it ended; never is until then
}

const never = 1<<64 - 1

// Redirect installs the handler that passes sig on to the thread tid of this
// process, which must have sig blocked. It fails with EBUSY where sig is
// redirected already.
func Redirect(sig syscall.Signal, tid int) (*Redirection, error) {
	changing.Lock()
	defer changing.Unlock()
	e := &table[sig]
	if !e.keeper.CompareAndSwap(0, int32(tid)) {
		return nil, sys.Misuse(unix.EBUSY, "signal %d (%v) is captured by another SignalFD of this process", int(sig), sig)
	}
	r := &Redirection{sig: sig, before: e.lost.Load()}
	r.after.Store(never)
	ours := newAction()
	if errno := rtSigaction(sig, &ours, &r.old); errno != 0 {
		e.keeper.Store(0)
		return nil, os.NewSyscallError("rt_sigaction", errno)
	}
	if r.old.handler == handlerPC {
		// Somebody saved our handler, and put it back when the redirection had
		// ended. What was there before it is not known any more.
		r.old = action{}
	}
	return r, nil
}

// Undo puts the old handler back, unless somebody else has replaced ours. When
// it returns, no handler sends to the keeper any more. The keeper must not end
// before, and unblock the signal first, so that what was passed on to it reaches
// the old handler.
func (r *Redirection) Undo() {
	changing.Lock()
	defer changing.Unlock()
	if !r.replaced() {
		rtSigaction(r.sig, &r.old, nil)
	}
	// Handlers that are still on their way find no keeper from here on, and give
	// the signal back to their own thread, whose handler is the old one now. Those
	// that found the keeper just before are waited for, each a few system calls.
	// The wait ends: a child between vfork and exec shares this memory, and may be
	// killed in its handler.
	e := &table[r.sig]
	e.keeper.Store(0)
	for deadline := time.Now().Add(100 * time.Millisecond); e.active.Load() != 0 && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	r.after.Store(e.lost.Load())
}

// Stolen reports whether somebody else has replaced our handler while the
// redirection lasts.
func (r *Redirection) Stolen() bool {
	changing.Lock()
	defer changing.Unlock()
	return r.after.Load() == never && r.replaced()
}

func (r *Redirection) replaced() bool {
	// rt_sigaction(2) fails only on arguments that it did not fail on before.
	var now action
	rtSigaction(r.sig, nil, &now)
	return now.handler != handlerPC
}

// Lost is what the function of that name counted while the redirection lasted.
func (r *Redirection) Lost() uint64 {
	if after := r.after.Load(); after != never {
		return after - r.before
	}
	return Lost(r.sig) - r.before
}

// Lost returns how many instances of sig could not be passed on since the
// program began, for want of room in the kernel's queue (RLIMIT_SIGPENDING).
func Lost(sig syscall.Signal) uint64 { return table[sig].lost.Load() }

// Available returns nil where signals can be captured. It asks the kernel once,
// as a seccomp filter may forbid what the handler needs.
var Available = sync.OnceValue(func() error {
	// Signal 0 is not sent, only checked. A siginfo has 128 bytes.
	var info [128]byte
	*(*int32)(unsafe.Pointer(&info[8])) = siQueue
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(unix.Getpid()), uintptr(unix.Gettid()),
		0, uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_tgsigqueueinfo", errno)
	}
	return nil
})

// What the assembly and Code need to know of si_code. The kernel lets a process
// send a siginfo to another thread only with a negative si_code, and without
// SI_TKILL, so the handler takes an offset away from the codes it refuses.
const (
	siQueue = -1 // SI_QUEUE
	siTkill = -6 // SI_TKILL

	// forwarded is taken away from the code of a signal passed on to a keeper.
	forwarded = 0x10000

	// returned is taken away from the code of a signal that a handler without a
	// keeper gives back to its own thread. A handler that meets it again, as it may
	// where somebody has put our handler back, drops the signal rather than go round
	// in circles.
	returned = 0x20000

	// wasReturned is above the codes of the second kind, below those of the first.
	wasReturned = -(forwarded + returned) / 2
)

// Code returns the si_code that a signal was sent with, from the one it was
// passed on with, and whether that differs.
func Code(code int32) (original int32, changed bool) {
	switch {
	case code < wasReturned:
		return code + returned, true
	case code < -forwarded/2:
		return code + forwarded, true
	}
	return code, false
}

// flags of every action: SA_SIGINFO, SA_ONSTACK, as the stacks of goroutines are
// too small, and SA_RESTART, all as the runtime's own.
const flags = 0x4 | 0x08000000 | 0x10000000

// allSignals is the mask under which the handler runs, so that it is never
// interrupted.
const allSignals = 1<<64 - 1

// rtSigaction is rt_sigaction(2), past the runtime and the C library, which each
// let a program set only what it can handle itself.
func rtSigaction(sig syscall.Signal, act, old *action) unix.Errno {
	const sigsetSize = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), sigsetSize, 0, 0)
	return errno
}
