//go:build amd64 || arm64 || riscv64 || loong64

package capturetest

import (
	"encoding/binary"
	"sync/atomic"
	"syscall"
)

var (
	counted    atomic.Uint64
	counterPC  uintptr // set by the assembly
	chainPC    uintptr // set by the assembly
	chained    uintptr //lint:ignore U1000 the handler that chain in the assembly calls
	clobbered  atomic.Uint64
	restorerPC uintptr // set by the assembly of amd64, which has no default for it
)

// Count installs a handler for sig that only counts.
func Count(sig syscall.Signal) error { return install(sig, counterPC) }

// Counted returns how often the handlers of Count ran.
func Counted() uint64 { return counted.Load() }

// Chain installs a handler for sig that calls the one that is there.
func Chain(sig syscall.Signal) error {
	before, err := Action(sig)
	if err != nil {
		return err
	}
	chained = uintptr(binary.NativeEndian.Uint64(before[:]))
	return install(sig, chainPC)
}

// Clobbered returns 0 if the handlers that those of Chain called kept the registers of
// their caller.
func Clobbered() uint64 { return clobbered.Load() }

func install(sig syscall.Signal, handler uintptr) error {
	const siginfo, onStack, restart, restorer = 0x4, 0x08000000, 0x10000000, 0x04000000
	var action [64]byte
	put := func(i int, v uintptr) { binary.NativeEndian.PutUint64(action[8*i:], uint64(v)) }
	put(0, handler)
	put(1, siginfo|onStack|restart)
	if restorerPC != 0 {
		put(1, siginfo|onStack|restart|restorer)
		put(2, restorerPC)
	}
	return sigaction(sig, &action, nil)
}
