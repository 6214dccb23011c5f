//go:build amd64 || arm64 || riscv64 || loong64

package sys

import "sync/atomic"

// A bias lets one goroutine, the owner, make fast calls without a reference. It needs
// plain loads and stores, where counting needs two locked instructions. A Descriptor has
// at most one bias, and each owner has its own. The owner's call is an assembly routine,
// biasedCall3 or biasedCall4, which the Go scheduler cannot preempt:
//
//	O1  b = the Descriptor's bias; b.owner is not the running goroutine: counted path
//	O2  b.busy = 1
//	O3  the Descriptor's bias is not b: b.busy = 0, counted path
//	O4  state is not open and fast, or is closing or stopped: b.busy = 0, counted path
//	O5  the system call, on the number in the state that O4 loaded
//	O6  b.busy = 0
//
// Close, Release, Take and Share take a reference and set closing or stopped. Then
// they evict the owner. A goroutine that takes over the bias evicts its owner likewise:
//
//	V1  the Descriptor's bias = evicting, by compare-and-swap from b
//	V2  membarrier(2)
//	V3  wait until b.busy == 0
//	V4  the Descriptor's bias = nil, or the new owner's
//
// O2 and O3, and V1 and V3, are a store and a load of the same two places. The barrier
// orders the owner's pair, so O3 sees V1 or V3 sees O2. The proof is in doc/design.md.
type bias struct {
	owner uintptr       // constant
	busy  atomic.Uint32 // 1 while the owner is in the routine; stored by the assembly only
	_     [52]byte      // a cache line each
}

// evicting stands for a bias while its owner is evicted. No g has the address 1.
var evicting = &bias{owner: 1}

// A goroutine becomes the owner after more than callsToBecome counted calls in a row if
// there is no owner. If there is one, the goroutine evicts it after more than callsToEvict.
// Evicting is rare, because it costs a membarrier(2).
var callsToBecome, callsToEvict uint32 = 32, 8192

// promote considers the caller for the bias. The caller has just made a fast call
// on the counted path, and still has its reference.
func (d *Descriptor) promote() {
	if instrumented {
		return
	}
	self, b := currentG(), d.bias.Load()
	if d.candidate != self {
		d.candidate, d.calls = self, 0
	}
	d.calls++
	switch calls := d.calls; {
	case calls <= callsToBecome || b == evicting:
	case !registered.Load():
		registering.Do(register)
	case b == nil && d.bias.CompareAndSwap(nil, &bias{owner: self}),
		b != nil && calls > callsToEvict && b.owner != self && d.revoke(b, &bias{owner: self}):
		d.calls = 0
		if d.state.Load()&(closing|stopped) != 0 {
			d.evict() // a bias does not outlive the life of d
		}
	}
}

// evict takes the bias away from its owner. The caller has set closing or stopped, so
// that no owner returns. Another goroutine that is evicting has a reference meanwhile.
func (d *Descriptor) evict() {
	for b := d.bias.Load(); b != nil && b != evicting && !d.revoke(b, nil); {
		b = d.bias.Load()
	}
}

// revoke replaces b by next, and waits until b's owner is in no call. It returns
// false if b was replaced before.
func (d *Descriptor) revoke(b, next *bias) bool {
	if !d.bias.CompareAndSwap(b, evicting) { // V1
		return false
	}
	if b.owner != currentG() {
		fence()                                   // V2
		for try := 0; b.busy.Load() != 0; try++ { // V3
			backoff(try)
		}
	}
	d.bias.Store(next) // V4
	return true
}
