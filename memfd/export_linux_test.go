package memfd

// WithoutExecFlags makes New do as on a kernel before 6.3, until the function it
// returns is called.
func WithoutExecFlags() (restore func()) {
	before := knowsExec
	knowsExec = func() bool { return false }
	return func() { knowsExec = before }
}

// KnowsExec reports whether the kernel has MFD_EXEC and MFD_NOEXEC_SEAL.
func KnowsExec() bool { return knowsExec() }

// NameOf is what FromFD makes of a link in /proc/self/fd.
var NameOf = nameOf

// Receive is what ReceiveFrom does before it looks at the descriptor.
var Receive = receive

// ImpliedUnchecked makes the kernel one that does not check SealExec's SealWrite,
// until the function it returns is called.
func ImpliedUnchecked() (restore func()) {
	before := implied.Swap(impliedNot)
	return func() { implied.Store(before) }
}

// ImpliedUnknown has the kernel tried once more, whatever is known of it.
func ImpliedUnknown() { implied.Store(impliedUnknown) }
