//go:build amd64 || arm64 || riscv64 || loong64

package sys

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A bias lets one goroutine, the owner, make fast calls without counting a
// reference: with plain loads and stores, where counting takes two locked
// instructions. A Descriptor has at most one bias at a time, and each owner has
// one of its own.
//
// The owner's call is one assembly routine, biasedCall3 or biasedCall4, which the
// Go scheduler cannot preempt:
//
//	O1  b = the Descriptor's bias; b.owner is not the running goroutine: slow path
//	O2  b.busy = 1
//	O3  the Descriptor's bias is not b: b.busy = 0, slow path
//	O4  state is not open and fast, or is closing or stopped: b.busy = 0, slow path
//	O5  the system call, on the number in the state that O4 loaded
//	O6  b.busy = 0
//
// Close, Release, Take and Share set closing or stopped, with a reference, and then
// evict the owner. A goroutine that takes over the bias evicts its owner likewise:
//
//	V1  the Descriptor's bias = evicting, by compare-and-swap from b
//	V2  membarrier(2)
//	V3  wait until b.busy == 0
//	V4  the Descriptor's bias = nil, or the new owner's
//
// O2 and O3, and V1 and V3, are a store and a load of the same two places. The
// barrier orders the owner's pair, so either O3 sees V1 or V3 sees O2. The proof
// is in doc/design.md.
type bias struct {
	owner uintptr       // constant
	busy  atomic.Uint32 // stored by the assembly only
	_     [52]byte      // a cache line each
}

// evicting stands for a bias while its owner is evicted. No g has the address 1.
var evicting = &bias{owner: 1}

// promotion counts the slow-path calls that one goroutine has made in a row. It
// is only a hint: concurrent callers may corrupt it.
type promotion struct {
	g     uintptr
	calls uint32
}

const (
	// notOwner is the result of biasedCall3 and biasedCall4 if the call must take
	// the slow path. No system call returns it.
	notOwner = -4096

	// O4 compares the upper half of the state: biasedCall3 for calls that do not
	// block while fast is set, biasedCall4 for calls that never block.
	biasMask3 = (open | closing | stopped | fast) >> 32
	biasOpen3 = (open | fast) >> 32
	biasMask4 = (open | closing | stopped) >> 32
	biasOpen4 = open >> 32

	_ = uint32(biasMask3 | biasOpen3 | biasMask4 | biasOpen4) // immediates of the assembly
)

// A goroutine that has made more than these numbers of slow-path calls in a row
// becomes the owner: of a Descriptor without one, or instead of another owner.
// Evicting costs a membarrier(2), so it must be rare.
var (
	callsToBecome uint32 = 32
	callsToEvict  uint32 = 8192
)

// The commands of membarrier(2), which x/sys does not define.
const (
	membarrierExpedited = 1 << 3 // MEMBARRIER_CMD_PRIVATE_EXPEDITED
	membarrierRegister  = 1 << 4 // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
)

func membarrier(command uintptr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, command, 0, 0)
	return errno
}

var (
	registering    sync.Once
	registered     atomic.Bool
	registerReturn = make(chan struct{})

	// Variables for tests.
	barrier         uintptr = membarrierExpedited
	registerProcess         = func() bool { return membarrier(membarrierRegister) == 0 }
)

// register registers the process with membarrier(2) in the background, because
// in a process with threads the kernel waits for an RCU grace period: 2 to 13 ms.
// Race builds, whose detector follows the calls, and IOFD_REFCOUNT=atomic never
// register. IOFD_REFCOUNT=biased makes every call biased, and waits here, for tests.
func register() {
	mode := os.Getenv("IOFD_REFCOUNT")
	if instrumented || mode == "atomic" {
		close(registerReturn)
		return
	}
	go func() {
		registered.Store(registerProcess())
		close(registerReturn)
	}()
	if mode == "biased" {
		callsToBecome, callsToEvict = 0, 0
		<-registerReturn
	}
}

// Registered registers the process, waits until that is done, and reports whether
// calls can be biased. It is for tests.
func Registered() bool {
	registering.Do(register)
	<-registerReturn
	return registered.Load()
}

// promote considers the caller for the bias. The caller has just made a fast call
// on the slow path, and still has its reference.
func (d *Descriptor) promote() {
	if instrumented {
		return
	}
	self := currentG()
	if d.promotion.g != self {
		d.promotion = promotion{g: self}
	}
	d.promotion.calls++
	calls, b := d.promotion.calls, d.bias.Load()
	if calls <= callsToBecome || b == evicting {
		return
	}
	if !registered.Load() {
		registering.Do(register)
		return
	}
	switch {
	case b == nil:
		d.bias.CompareAndSwap(nil, &bias{owner: self})
	case b.owner != self && calls > callsToEvict && d.bias.CompareAndSwap(b, evicting):
		d.promotion.calls = 0
		b.waitIdle()
		d.bias.Store(&bias{owner: self})
	}
}

// evict takes the bias away from its owner. The caller has a reference, and has
// set closing or stopped, so that no owner can return. If another goroutine is
// evicting, that one has a reference until it is done.
func (d *Descriptor) evict() {
	for {
		b := d.bias.Load()
		switch {
		case b == nil || b == evicting:
			return
		case b.owner == currentG():
			// The owner itself is here, so it is not in a call.
			if d.bias.CompareAndSwap(b, nil) {
				return
			}
		case d.bias.CompareAndSwap(b, evicting):
			b.waitIdle()
			d.bias.Store(nil)
			return
		}
	}
}

// waitIdle waits until the evicted owner has left its system call.
func (b *bias) waitIdle() {
	if membarrier(barrier) != 0 {
		// The call was refused after registration, by seccomp(2) for example.
		// ReadMemStats stops every goroutine, and no owner stops inside its call.
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
	}
	for try := 0; b.busy.Load() != 0; try++ {
		backoff(try)
	}
}
