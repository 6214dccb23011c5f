package iofd

import (
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
	EventFD    = eventfd.EventFD
	TimerFD    = timerfd.TimerFD
	PidFD      = pidfd.PidFD
	MemFD      = memfd.MemFD
	SignalFD   = signalfd.SignalFD
	SigSet     = signalfd.Set
	SignalInfo = signalfd.Info
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
func NewMemFD(name string) (*MemFD, error)
func NewMemFDSealed(name string) (*MemFD, error)
func NewSignalFD(set SigSet) (*SignalFD, error)
