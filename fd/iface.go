package fd

import "code.hybscloud.com/iofd/iface"

// The interfaces of package iface, under the names that a handle's author has at
// hand.
type (
	PollFd     = iface.PollFd
	PollCloser = iface.PollCloser
	Handle     = iface.Handle
	Signaler   = iface.Signaler
	Timer      = iface.Timer
)
