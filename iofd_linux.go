package iofd

import (
	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// The handles of Linux, each from the package of its name.
type (
	EventFD    = eventfd.EventFD
	TimerFD    = timerfd.TimerFD
	PidFD      = pidfd.PidFD
	ExitStatus = pidfd.ExitStatus
	MemFD      = memfd.MemFD
	SignalFD   = signalfd.SignalFD
	SigSet     = signalfd.Set
	SignalInfo = signalfd.Info
)

// NewEventFD creates a counter: see [eventfd.New].
func NewEventFD(initval uint64) (*EventFD, error) { return eventfd.New(initval) }

// NewEventFDSemaphore creates a semaphore: see [eventfd.NewSemaphore].
func NewEventFDSemaphore(initval uint64) (*EventFD, error) { return eventfd.NewSemaphore(initval) }

// NewTimerFD creates a timer on the monotonic clock: see [timerfd.New].
func NewTimerFD() (*TimerFD, error) { return timerfd.New(timerfd.Monotonic) }

// NewTimerFDRealtime creates a timer on the wall clock: see [timerfd.New].
func NewTimerFDRealtime() (*TimerFD, error) { return timerfd.New(timerfd.Realtime) }

// NewTimerFDBoottime creates a timer on the clock that goes on while the machine
// sleeps: see [timerfd.New].
func NewTimerFDBoottime() (*TimerFD, error) { return timerfd.New(timerfd.Boottime) }

// NewPidFD returns a handle of the process pid: see [pidfd.Open].
func NewPidFD(pid int) (*PidFD, error) { return pidfd.Open(pid) }

// NewMemFD creates an anonymous file in memory: see [memfd.New].
func NewMemFD(name string) (*MemFD, error) { return memfd.New(name) }

// NewMemFDSealed creates an anonymous file in memory that can be sealed: see
// [memfd.AllowSealing].
func NewMemFDSealed(name string) (*MemFD, error) { return memfd.New(name, memfd.AllowSealing) }

// NewSignalFD gives the signals of the set through a descriptor: see
// [signalfd.New].
func NewSignalFD(set SigSet) (*SignalFD, error) { return signalfd.New(set) }
