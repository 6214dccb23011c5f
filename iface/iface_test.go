package iface_test

import (
	"io"
	"os"
	"time"

	"code.hybscloud.com/iofd/iface"
)

// file is an os.File whose Fd returns an int, which makes it a Handle.
type file struct{ *os.File }

func (f file) Fd() int { return int(f.File.Fd()) }

var (
	_ iface.Handle       = file{}
	_ io.ReadWriteCloser = iface.Handle(nil)
	_ io.Closer          = iface.PollCloser(nil)
)

// Every larger interface includes PollCloser.
var (
	_ iface.PollCloser = iface.Handle(nil)
	_ iface.PollCloser = iface.Signaler(nil)
	_ iface.PollCloser = iface.Timer(nil)
	_ iface.PollFd     = iface.PollCloser(nil)
)

// counter and timer have no methods except those of the interfaces.
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
