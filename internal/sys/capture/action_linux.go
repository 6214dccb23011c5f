//go:build riscv64 || loong64

package capture

import "unsafe"

// action is the kernel's struct sigaction. These processors have no restorer in
// it: a handler returns through the vDSO.
type action struct {
	handler uintptr
	flags   uint64
	mask    uint64
	more    uint64 // qemu(1) 7.2 has a restorer before the mask, and writes this
}

var _ [32]byte = [unsafe.Sizeof(action{})]byte{}

func newAction() action {
	return action{handler: handlerPC, flags: flags, mask: allSignals, more: allSignals}
}
