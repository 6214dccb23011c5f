//go:build amd64 || arm64 || riscv64 || loong64

package capture

import (
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Siginfo is the siginfo_t that the kernel gives a handler, see sigaction(2).
type Siginfo [128]byte

// slots is the number of signals that a ring holds. If all Ps are busy, the scheduler
// may run the reader only after tens of milliseconds.
const slots = 32768

const (
	slotMask = slots - 1
	slotSize = 136

	futexWait = 128 // FUTEX_WAIT_PRIVATE
	futexWake = 129 // FUTEX_WAKE_PRIVATE
)

// A ring passes siginfos from many handlers to one reader. Position n is in slot
// n % slots. The slot is published when its stamp is n+1, and free again when head
// is above n. Zeroed memory is an empty ring.
type ring struct {
	tail   atomic.Uint64 // the next position to reserve
	_      [7]uint64     // the handlers and the reader write to different cache lines
	head   atomic.Uint64 // the next position to read
	asleep atomic.Uint32 // 1 while the reader is in futex(2), or about to be
	_      [52]byte
	slots  [slots]slot
}

type slot struct {
	stamp atomic.Uint64
	info  Siginfo
}

var _ [slotSize]byte = [unsafe.Sizeof(slot{})]byte{}

// spare has the rings that are not in use. It is guarded by changing.
//
// A ring is memory outside of the Go heap, and is never unmapped. The kernel
// provides its pages when they are first written to.
var spare []*ring

// newRing returns an empty ring. The caller holds changing.
func newRing() (*ring, error) {
	if n := len(spare); n > 0 {
		r := spare[n-1]
		spare = spare[:n-1]
		return r, nil
	}
	b, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(ring{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return (*ring)(unsafe.Pointer(&b[0])), nil
}

// free gives r back. No handler has r any more. The caller holds changing.
func (r *ring) free() {
	r.head.Store(r.tail.Load())
	spare = append(spare, r)
}

// next takes the oldest siginfo.
func (r *ring) next(info *Siginfo) bool {
	n := r.head.Load()
	s := &r.slots[n&slotMask]
	if s.stamp.Load() != n+1 {
		return false
	}
	*info = s.info
	r.head.Store(n + 1)
	return true
}

func (r *ring) empty() bool {
	n := r.head.Load()
	return r.slots[n&slotMask].stamp.Load() != n+1
}

// sleep returns when a handler has published a slot or wake was called, and may
// return earlier. The reader sets asleep before it looks, and a handler looks at
// asleep after it has published. So one of them sees the other.
func (r *ring) sleep(ended *atomic.Bool) {
	r.asleep.Store(1)
	if r.empty() && !ended.Load() {
		switch errno := futex(&r.asleep, futexWait, 1); errno {
		case 0, unix.EAGAIN, unix.EINTR:
		default:
			time.Sleep(time.Millisecond) // a seccomp(2) filter refuses futex(2)
		}
	}
	r.asleep.Store(0)
}

// wake wakes the reader, as a handler does.
func (r *ring) wake() {
	if r.asleep.Swap(0) == 1 {
		futex(&r.asleep, futexWake, 1)
	}
}

// futex tells the scheduler, because the wait may last.
func futex(word *atomic.Uint32, op, value uintptr) unix.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), op, value, 0, 0, 0)
	return errno
}
