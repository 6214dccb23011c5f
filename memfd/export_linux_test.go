package memfd

// An ExecSeal says how a kernel treats F_SEAL_EXEC.
type ExecSeal = execSeal

const (
	ExecSealUnknown   = execSealUnknown
	ExecSealNone      = execSealNone
	ExecSealUnchecked = execSealUnchecked
	ExecSealChecked   = execSealChecked
)

// KernelExecSeal returns how the running kernel treats F_SEAL_EXEC.
var KernelExecSeal = kernelExecSeal

// TryExecSeal tries the kernel again.
var TryExecSeal = tryExecSeal

// SetExecSeal makes the kernel one that treats F_SEAL_EXEC so, until the test calls
// restore. ExecSealUnknown makes the next caller try the kernel.
func SetExecSeal(kernel ExecSeal) (restore func()) {
	before := knownExecSeal.Swap(int32(kernel))
	return func() { knownExecSeal.Store(before) }
}

// NameOf converts a link in /proc/self/fd to the name of a memfd.
var NameOf = nameOf

// Receive is ReceiveFrom without the checks of the descriptor.
var Receive = receive
