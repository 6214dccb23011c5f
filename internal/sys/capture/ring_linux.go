//go:build amd64 || arm64 || riscv64 || loong64

package capture

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Siginfo is the siginfo_t that the kernel gives a handler, see sigaction(2).
type Siginfo [128]byte

// slots is the number of signals that a ring holds. If all Ps are busy, the scheduler
// may run a reader only after tens of milliseconds.
const slots = 32768

const (
	slotMask = slots - 1
	slotSize = 136
)

// A ring passes siginfos from many handlers to one reader at a time. Position n is in slot
// n % slots. The slot is published when its stamp is n+1, and free again when head
// is above n. Zeroed memory is an empty ring.
type ring struct {
	tail   atomic.Uint64 // the next position to reserve
	_      [7]uint64     // the handlers and the reader write to different cache lines
	head   atomic.Uint64 // the next position to read
	asleep atomic.Uint32 // the number of the eventfd to write to, plus 1; 0 if no goroutine sleeps
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

// free makes r available to the next capture. No handler has r any more. The caller
// holds changing. asleep is cleared because its eventfd is about to be closed: a handler
// of the next capture would write to whichever descriptor gets that number.
func (r *ring) free() {
	r.asleep.Store(0)
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

// arm makes the next handler that publishes a slot write to the eventfd number. If a
// slot is published already, arm writes itself. It sets asleep before it looks, and a
// handler looks at asleep after it has published. So one of them sees the other.
func (r *ring) arm(number int) {
	r.asleep.Store(uint32(number) + 1)
	if !r.empty() {
		r.wake()
	}
}

// wake wakes the goroutine that sleeps, as a handler does.
func (r *ring) wake() {
	if n := r.asleep.Swap(0); n != 0 {
		Wake(int(n - 1))
	}
}

// one is what a handler writes to an eventfd.
var one uint64 = 1

// Wake adds 1 to the eventfd number, which is in non-blocking mode. Nothing reads the
// eventfd: each write is an edge for the runtime's poller.
func Wake(number int) {
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(number), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
}
