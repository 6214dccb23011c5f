package capture

import "unsafe"

// action is the kernel's struct sigaction. A handler returns through the vDSO
// where no restorer is given.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

var _ [32]byte = [unsafe.Sizeof(action{})]byte{}

func newAction() action {
	return action{handler: handlerPC, flags: flags, mask: allSignals}
}
