package iface_test

import (
	"io"
	"os"
	"time"

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

// A counter and a timer that are not there: all that the interfaces ask for.
type counter struct{ file }

func (counter) Signal(uint64) error   { return nil }
func (counter) Wait() (uint64, error) { return 0, nil }

type timer struct{ iface.PollCloser }

func (timer) Arm(initial, interval time.Duration) error { return nil }
func (timer) Disarm() error                             { return nil }
func (timer) Read() (uint64, error)                     { return 0, nil }

var (
	_ iface.Signaler = counter{}
	_ iface.Timer    = timer{}
)
