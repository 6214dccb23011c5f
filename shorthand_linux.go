package iofd

import (
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/timerfd"
)

// NewTimerFD creates a timer on the monotonic clock. See [timerfd.New].
func NewTimerFD() (*TimerFD, error) { return timerfd.New(timerfd.Monotonic) }

// NewTimerFDRealtime creates a timer on the wall clock. See [timerfd.New].
func NewTimerFDRealtime() (*TimerFD, error) { return timerfd.New(timerfd.Realtime) }

// NewTimerFDBoottime creates a timer on the clock that runs while the machine
// sleeps. See [timerfd.New].
func NewTimerFDBoottime() (*TimerFD, error) { return timerfd.New(timerfd.Boottime) }

// NewMemFDSealable creates an empty file in memory that [memfd.MemFD.Seal] can seal.
// See [memfd.AllowSealing].
func NewMemFDSealable(name string) (*MemFD, error) { return memfd.New(name, memfd.AllowSealing) }
