package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file has the calls of single handles. They are short in every state of their
// object, so they bypass the scheduler.

// Timespec is the kernel's 64-bit timespec, also on 32-bit ports, where
// unix.Timespec ends in 2038.
type Timespec struct{ Sec, Nsec int64 }

// Itimerspec is the kernel's 64-bit itimerspec: the period, and the first expiration
// as a duration or a date.
type Itimerspec struct{ Interval, Value Timespec }

var _ [32]byte = [unsafe.Sizeof(Itimerspec{})]byte{}

// TimerfdSettime is timerfd_settime(2) on the timer that d owns. It stores the previous
// setting in old, unless old is nil.
func (d *Descriptor) TimerfdSettime(flags int, spec, old *Itimerspec) error {
	RacePublish()
	r := biasedCall4(d, sysTimerfdSettime, uintptr(flags), unsafe.Pointer(spec), unsafe.Pointer(old))
	if r == 0 {
		return nil
	}
	return d.call("timerfd_settime", r, sysTimerfdSettime, uintptr(flags), unsafe.Pointer(spec), unsafe.Pointer(old))
}

// TimerfdGettime is timerfd_gettime(2) on the timer that d owns.
func (d *Descriptor) TimerfdGettime(spec *Itimerspec) error {
	if _, err := d.Incref(); err != nil {
		return err
	}
	r := countedCall3(d, sysTimerfdGettime, unsafe.Pointer(spec), 0)
	d.Decref()
	if r < 0 {
		return Error("timerfd_gettime", unix.Errno(-r))
	}
	return nil
}

// WallTime returns the time of CLOCK_REALTIME. The kernel's clock is that of a timerfd,
// while time.Now is virtual in a testing/synctest bubble.
func WallTime() (ts Timespec, err error) {
	if _, _, errno := unix.RawSyscall(sysClockGettime, unix.CLOCK_REALTIME, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return ts, Error("clock_gettime", errno)
	}
	return ts, nil
}

// PidfdSendSignal is pidfd_send_signal(2), without a siginfo, to the process
// whose pidfd d owns.
func (d *Descriptor) PidfdSendSignal(sig unix.Signal) error {
	RacePublish()
	r := biasedCall4(d, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(sig), nil, nil)
	if r == 0 {
		return nil
	}
	return d.call("pidfd_send_signal", r, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(sig), nil, nil)
}

// PidfdQueueSignal is [Descriptor.PidfdSendSignal] with a siginfo, as sigqueue(3)
// makes it: SI_QUEUE, the caller, and value as si_int.
func (d *Descriptor) PidfdQueueSignal(sig unix.Signal, value int32) error {
	const siQueue = -1 // SI_QUEUE
	RacePublish()
	// The layout is that of a child's siginfo, with si_int in the place of si_status.
	queued := siginfoChild{pid: int32(unix.Getpid()), uid: uint32(unix.Getuid()), status: value}
	p := unsafe.Pointer(&queued)
	info := (*unix.Siginfo)(p)
	info.Signo, info.Code = int32(sig), siQueue
	r := biasedCall4(d, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(sig), p, nil)
	if r == 0 {
		return nil
	}
	return d.call("pidfd_send_signal", r, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(sig), p, nil)
}

// call continues after biasedCall4 returned r: with the reference count, if the
// caller is not the owner.
func (d *Descriptor) call(name string, r int, trap, op uintptr, p, q unsafe.Pointer) error {
	if r == notOwner {
		if _, err := d.Incref(); err != nil {
			return err
		}
		r = countedCall4(d, trap, op, p, q)
		d.promote()
		d.Decref()
	}
	if r < 0 {
		return Error(name, unix.Errno(-r))
	}
	return nil
}
