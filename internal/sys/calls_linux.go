package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The guarded calls of single handles: short whatever the state of what they
// act on, so made without telling the scheduler.

// Timespec is the kernel's 64-bit timespec, also on 32-bit ports, where
// unix.Timespec ends in 2038.
type Timespec struct{ Sec, Nsec int64 }

// Itimerspec is the kernel's 64-bit itimerspec: the period, and the time to the
// first expiration or its date.
type Itimerspec struct{ Interval, Value Timespec }

var _ [32]byte = [unsafe.Sizeof(Itimerspec{})]byte{}

// TimerfdSettime is timerfd_settime(2) on the timer that g owns.
func (g *Guard) TimerfdSettime(flags int, spec *Itimerspec) error {
	RacePublish()
	if _, ok := g.enter(); !ok {
		return ErrClosed
	}
	r := call4(g, sysTimerfdSettime, uintptr(flags), unsafe.Pointer(spec), nil)
	g.leave()
	return callError("timerfd_settime", r)
}

// TimerfdGettime is timerfd_gettime(2) on the timer that g owns.
func (g *Guard) TimerfdGettime(spec *Itimerspec) error {
	if _, ok := g.enter(); !ok {
		return ErrClosed
	}
	r := call3(g, sysTimerfdGettime, unsafe.Pointer(spec), 0)
	g.leave()
	return callError("timerfd_gettime", r)
}

// PidfdSendSignal is pidfd_send_signal(2), without a siginfo, to the process
// whose pidfd g owns.
func (g *Guard) PidfdSendSignal(sig unix.Signal) error {
	RacePublish()
	if _, ok := g.enter(); !ok {
		return ErrClosed
	}
	r := call4(g, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(sig), nil, nil)
	g.leave()
	return callError("pidfd_send_signal", r)
}

// callError is the error of a call that returned r.
func callError(call string, r int) error {
	if r >= 0 {
		return nil
	}
	return Error(call, unix.Errno(-r))
}
