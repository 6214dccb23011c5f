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
	r := laneCall4(g, sysTimerfdSettime, uintptr(flags), unsafe.Pointer(spec), nil)
	if r == 0 {
		return nil
	}
	return g.call("timerfd_settime", r, sysTimerfdSettime, uintptr(flags), unsafe.Pointer(spec))
}

// TimerfdGettime is timerfd_gettime(2) on the timer that g owns.
func (g *Guard) TimerfdGettime(spec *Itimerspec) error {
	if _, ok := g.enter(); !ok {
		return ErrClosed
	}
	r := call3(g, sysTimerfdGettime, unsafe.Pointer(spec), 0)
	g.leave()
	if r < 0 {
		return Error("timerfd_gettime", unix.Errno(-r))
	}
	return nil
}

// PidfdSendSignal is pidfd_send_signal(2), without a siginfo, to the process
// whose pidfd g owns.
func (g *Guard) PidfdSendSignal(sig unix.Signal) error {
	RacePublish()
	r := laneCall4(g, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(sig), nil, nil)
	if r == 0 {
		return nil
	}
	return g.call("pidfd_send_signal", r, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(sig), nil)
}

// PidfdQueueSignal is [Guard.PidfdSendSignal] with a siginfo, as sigqueue(3)
// makes it: SI_QUEUE, the caller, and value as si_int.
func (g *Guard) PidfdQueueSignal(sig unix.Signal, value int32) error {
	const siQueue = -1 // SI_QUEUE
	RacePublish()
	// The fields stand where those of a child do, si_int in the place of si_status.
	queued := siginfoChild{pid: int32(unix.Getpid()), uid: uint32(unix.Getuid()), status: value}
	p := unsafe.Pointer(&queued)
	info := (*unix.Siginfo)(p)
	info.Signo, info.Code = int32(sig), siQueue
	r := laneCall4(g, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(sig), p, nil)
	if r == 0 {
		return nil
	}
	return g.call("pidfd_send_signal", r, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(sig), p)
}

// call goes on where the lane returned r: in the shared lane if that was not
// ours.
func (g *Guard) call(name string, r int, trap, op uintptr, p unsafe.Pointer) error {
	if r == notOwner {
		if _, ok := g.enter(); !ok {
			return ErrClosed
		}
		r = call4(g, trap, op, p, nil)
		g.compete()
		g.leave()
	}
	if r < 0 {
		return Error(name, unix.Errno(-r))
	}
	return nil
}
