package capture

import "unsafe"

// action is the kernel's struct sigaction.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

var _ [32]byte = [unsafe.Sizeof(action{})]byte{}

// restorerPC is the address of the assembly that a handler returns to, set by
// the assembly. amd64 has no default for it.
var restorerPC uintptr

const restorerFlag = 0x04000000 // SA_RESTORER

func newAction() action {
	return action{handler: handlerPC, flags: flags | restorerFlag, restorer: restorerPC, mask: allSignals}
}
