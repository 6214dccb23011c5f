//go:build amd64 || arm64 || riscv64 || loong64

package capture

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// An entry is the state of a signal for the handler, which finds the fields through
// go_asm.h.
type entry struct {
	ring    atomic.Uintptr // where the siginfo goes; 0 if there is no capture
	first   uintptr        // sa_handler before the first capture
	dropped atomic.Uint64  // signals that found the ring full
	active  atomic.Int32   // handlers of this process that run
	known   bool           // first is set
}

const entryShift = 5

var (
	_ [1 << entryShift]byte = [unsafe.Sizeof(entry{})]byte{}
	_ [1 << entryShift]byte = [unsafe.Sizeof(action{})]byte{}
)

const infoShift = 7

var _ [1 << infoShift]byte = Siginfo{}

const maxSignal = 64

var (
	// table has the entry of each signal, by number.
	table [maxSignal + 1]entry

	// process is the process that captures. In another one the handler writes nothing,
	// and does what entry.first says.
	process int32

	// ownMemory is the address of a word that is 1 in this process, and in a child
	// that shares its memory. It is 0 in a child with a copy. The address is 0 if the
	// kernel cannot do that.
	ownMemory uintptr //lint:ignore U1000 the assembly reads it

	// unknown has what the handler appends for each signal if the kernel gave it no
	// siginfo: the number.
	unknown [maxSignal + 1]Siginfo

	// firstAction has the action of each signal before the first capture.
	firstAction [maxSignal + 1]action

	// defaultAction is SIG_DFL.
	defaultAction action //lint:ignore U1000 the assembly reads it

	// handlerPC is the address of the handler, set by the assembly.
	handlerPC uintptr

	// changing is held while a capture begins, changes or ends.
	changing sync.Mutex
)

const (
	sigDefault = 0 // SIG_DFL
	sigIgnore  = 1 // SIG_IGN
)

// A Capture takes signals from the process. One goroutine at a time calls Next. The
// other methods may be called from any goroutine.
type Capture struct {
	ring  *ring
	ended atomic.Bool

	// These are guarded by changing.
	set     uint64 // bit n-1 is signal n
	old     [maxSignal + 1]action
	before  [maxSignal + 1]uint64 // entry.dropped when the capture of the signal began
	dropped uint64                // by signals that are not captured any more
}

// New captures the signals of set. It fails with EBUSY if one of them is captured
// already.
func New(set uint64) (*Capture, error) {
	changing.Lock()
	defer changing.Unlock()
	r, err := newRing()
	if err != nil {
		return nil, err
	}
	if process == 0 {
		markMemory()
		process = int32(os.Getpid())
	}
	c := &Capture{ring: r}
	if err := c.change(set); err != nil {
		c.ring.free()
		return nil, err
	}
	return c, nil
}

// Change makes set the captured signals. If it fails, nothing has changed. It
// returns sys.ErrClosed after End.
func (c *Capture) Change(set uint64) error {
	changing.Lock()
	defer changing.Unlock()
	if c.ended.Load() {
		return sys.ErrClosed
	}
	return c.change(set)
}

// End restores the old actions. When it returns, no handler appends to the ring. It
// does nothing the second time.
func (c *Capture) End() {
	changing.Lock()
	defer changing.Unlock()
	if !c.ended.Load() {
		c.remove(c.set)
		c.ended.Store(true)
	}
}

func (c *Capture) change(set uint64) error {
	if err := Busy(set &^ c.set); err != nil {
		return err
	}
	var added uint64
	for sig := range signals(set &^ c.set) {
		if err := c.add(sig); err != nil {
			c.remove(added)
			return err
		}
		added |= 1 << (sig - 1)
	}
	c.remove(c.set &^ set)
	return nil
}

func (c *Capture) add(sig syscall.Signal) error {
	e, ours := &table[sig], newAction()
	if !e.known {
		var now action
		if errno := rtSigaction(sig, nil, &now); errno != 0 {
			return os.NewSyscallError("rt_sigaction", errno)
		}
		firstAction[sig], e.first, e.known = now, now.handler, true
		binary.NativeEndian.PutUint32(unknown[sig][:], uint32(sig))
	}
	c.before[sig] = e.dropped.Load() // the handler may be there: other code had saved it
	e.ring.Store(uintptr(unsafe.Pointer(c.ring)))
	e.wait()
	old := &c.old[sig]
	if errno := rtSigaction(sig, &ours, old); errno != 0 {
		e.ring.Store(0)
		e.wait()
		return os.NewSyscallError("rt_sigaction", errno)
	}
	c.set |= 1 << (sig - 1)
	return nil
}

// remove restores the old actions, except those that other code has replaced.
func (c *Capture) remove(set uint64) {
	for sig := range signals(set) {
		e := &table[sig]
		if !replaced(sig) {
			rtSigaction(sig, &c.old[sig], nil)
		}
		e.ring.Store(0)
		e.wait()
		c.dropped += e.dropped.Load() - c.before[sig]
		c.set &^= 1 << (sig - 1)
	}
}

// wait returns when no handler runs that has seen an earlier value of ring. Each
// takes a few system calls at most.
func (e *entry) wait() {
	for e.active.Load() != 0 {
		time.Sleep(10 * time.Microsecond)
	}
}

// Busy returns EBUSY if one of the signals is captured.
func Busy(set uint64) error {
	for sig := range signals(set) {
		if table[sig].ring.Load() != 0 {
			return sys.Misuse(unix.EBUSY, "signalfd: signal %d (%v) is captured by another SignalFD of this process", int(sig), sig)
		}
	}
	return nil
}

// Set returns the captured signals.
func (c *Capture) Set() uint64 {
	changing.Lock()
	defer changing.Unlock()
	return c.set
}

// Replaced returns the captured signals whose handler other code has replaced.
func (c *Capture) Replaced() (set uint64) {
	changing.Lock()
	defer changing.Unlock()
	for sig := range signals(c.set) {
		if replaced(sig) {
			set |= 1 << (sig - 1)
		}
	}
	return set
}

// Dropped returns the number of signals that found the ring full.
func (c *Capture) Dropped() uint64 {
	changing.Lock()
	defer changing.Unlock()
	n := c.dropped
	for sig := range signals(c.set) {
		n += table[sig].dropped.Load() - c.before[sig]
	}
	return n
}

// Next takes the oldest siginfo. It reports false if there is none.
func (c *Capture) Next(info *Siginfo) bool { return c.ring.next(info) }

// Empty reports whether Next has no siginfo.
func (c *Capture) Empty() bool { return c.ring.empty() }

// Ended reports whether End was called. If it was, Next has what is left.
func (c *Capture) Ended() bool { return c.ended.Load() }

// Arm makes the next handler write to the eventfd number. If Next has a siginfo
// already, Arm writes itself. Arm replaces the number of an earlier call. The number
// stays open until End has returned. End writes to no eventfd.
func (c *Capture) Arm(number int) { c.ring.arm(number) }

// Free gives the ring back. The caller has ended c, and makes no call of the other
// methods any more, except Set, Replaced and Dropped.
func (c *Capture) Free() {
	changing.Lock()
	defer changing.Unlock()
	c.ring.free()
}

// Available returns nil: this port has a handler.
func Available() error { return nil }

func signals(set uint64) iter.Seq[syscall.Signal] {
	return func(yield func(syscall.Signal) bool) {
		for ; set != 0; set &= set - 1 {
			if !yield(syscall.Signal(bits.TrailingZeros64(set) + 1)) {
				return
			}
		}
	}
}

// replaced reports whether the action of sig is not this package's handler.
func replaced(sig syscall.Signal) bool {
	var now action
	rtSigaction(sig, nil, &now) // fails only on arguments that did not fail before
	return now.handler != handlerPC
}

// markMemory sets ownMemory.
func markMemory() {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return
	}
	if unix.Madvise(page, unix.MADV_WIPEONFORK) != nil { // Linux 4.14
		_ = unix.Munmap(page)
		return
	}
	page[0] = 1
	ownMemory = uintptr(unsafe.Pointer(&page[0]))
}

// flags of the action: SA_SIGINFO, SA_ONSTACK and SA_RESTART, as the runtime has them.
// The stacks of goroutines are too small for a handler.
const (
	flags    = flagInfo | 0x08000000 | 0x10000000
	flagInfo = 0x4
)

// allSignals is the mask under which the handler runs.
const allSignals = 1<<64 - 1

// rtSigaction is rt_sigaction(2). The functions of the runtime and of the C library
// accept only their own handlers.
func rtSigaction(sig syscall.Signal, act, old *action) unix.Errno {
	const sigsetSize = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), sigsetSize, 0, 0)
	return errno
}
