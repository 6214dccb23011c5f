package iofd

import (
	"context"
	"net"
	"os/exec"
	"syscall"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/iface"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

type (
	PollFd     = iface.PollFd
	PollCloser = iface.PollCloser
	Handle     = iface.Handle
	Signaler   = iface.Signaler
	Timer      = iface.Timer
)

type (
	FD         = fd.FD
	Clock      = timerfd.Clock
	EventFD    = eventfd.EventFD
	TimerFD    = timerfd.TimerFD
	PidFD      = pidfd.PidFD
	MemFD      = memfd.MemFD
	Seal       = memfd.Seal
	SignalFD   = signalfd.SignalFD
	SigSet     = signalfd.Set
	SignalInfo = signalfd.Info
	ExitStatus = pidfd.ExitStatus

	MemFDOption = memfd.Option
)

var (
	ErrWouldBlock error
	ErrClosed     error
)

func NewFD(raw int) *FD
func NewEventFD(initval uint64) (*EventFD, error)
func NewEventFDSemaphore(initval uint64) (*EventFD, error)
func NewTimerFD() (*TimerFD, error)
func NewTimerFDRealtime() (*TimerFD, error)
func NewTimerFDBoottime() (*TimerFD, error)
func NewPidFD(pid int) (*PidFD, error)
func NewTimerFDWithClock(clock Clock) (*TimerFD, error)
func StartPidFD(cmd *exec.Cmd) (*PidFD, error)
func NewMemFD(name string, opts ...MemFDOption) (*MemFD, error)
func NewMemFDSealable(name string) (*MemFD, error)
func NewMemFDSealed(name string, data []byte) (*MemFD, error)
func ReceiveMemFD(c *net.UnixConn, required Seal) (*MemFD, error)
func NewSignalFD(set SigSet) (*SignalFD, error)
func NewSigSet(sigs ...syscall.Signal) SigSet
func StartUnblocked(cmd *exec.Cmd) error

func WaitRead[T any](ctx context.Context, f *FD, try func() (T, error)) (T, error)  { return try() }
func WaitWrite[T any](ctx context.Context, f *FD, try func() (T, error)) (T, error) { return try() }

func EventFDFromFD(f *FD) (*EventFD, error)
func TimerFDFromFD(f *FD) (*TimerFD, error)
func PidFDFromFD(f *FD) (*PidFD, error)
func MemFDFromFD(f *FD) (*MemFD, error)
func SignalFDFromFD(f *FD) (*SignalFD, error)
