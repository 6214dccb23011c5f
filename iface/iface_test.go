package iface_test

import (
	"io"
	"os"

	"code.hybscloud.com/iofd/iface"
)

// An os.File but for its Fd: what a handle is to who only reads and writes.
type file struct{ *os.File }

func (f file) Fd() int { return int(f.File.Fd()) }

var (
	_ iface.Handle       = file{}
	_ io.ReadWriteCloser = iface.Handle(nil)
	_ io.Closer          = iface.PollCloser(nil)
)

// What can be polled and closed includes what can do more.
var (
	_ iface.PollCloser = iface.Handle(nil)
	_ iface.PollCloser = iface.Signaler(nil)
	_ iface.PollCloser = iface.Timer(nil)
	_ iface.PollFd     = iface.PollCloser(nil)
)
