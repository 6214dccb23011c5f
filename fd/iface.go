package fd

import "code.hybscloud.com/iofd/iface"

// The interfaces of package iface.
type (
	PollFd     = iface.PollFd
	PollCloser = iface.PollCloser
	Handle     = iface.Handle
	Signaler   = iface.Signaler
	Timer      = iface.Timer
)
