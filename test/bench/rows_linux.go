package main

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/internal/sys/bare"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/test/internal/try"
	"code.hybscloud.com/iofd/timerfd"
)

// rows returns all rows, in the order of the table.
func rows() []row {
	return append([]row{
		{name: "eventfd Signal+Wait", open: signalWaitWays, variant: atomicCount},
		{name: "eventfd open, Signal, close", open: openSignalCloseWays},
		{name: "wake a loop that is woken", open: wokenWays},
		{name: "two parked waits: round trip, goroutines", open: wakeGoroutineWays, round: longRound},
		{name: "two parked waits: round trip, processes", open: wakeProcessWays, round: longRound},
		{name: "timerfd Arm", open: armWays, variant: atomicCount},
		{name: "signal from another process", open: signalWays(1), round: longRound, variant: afterBlock(1)},
		{name: "12 signals from another process", open: signalWays(12), round: longRound, variant: afterBlock(12)},
		{name: "start a child, wait for its end", open: childWays},
		{name: "1 MiB: create, fill, seal, close", open: sealWays},
		{name: "1 MiB to another process", open: passWays(1, "bytes over a pipe"), round: longRound},
		{name: "1 MiB to 4 processes", open: passWays(4, "bytes over 4 pipes"), round: longRound},
		{name: "Signal+Wait on one handle at once", open: manyGoroutineWays, round: longRound},
		{name: "slowest of the first 1,000: eventfd Signal+Wait", open: firstWays("eventfd Signal+Wait"), round: 1},
		{name: "slowest of the first 1,000: timerfd Arm", open: firstWays("timerfd Arm"), round: 1},
		{name: "memory of an open handle in the process", open: memoryWays, once: manyOpen, unit: "B"},
	}, fdRows()...)
}

func signalWaitWays(o *opened) []way {
	e, original, file := o.counter(), o.counter(), o.eventfdFile()
	closing(o, try.Get(original.Dup())) // a duplicate ends the fast path
	number, p := e.Fd(), one()
	return []way{
		each("bare calls", func() {
			word.checkBare(bareWrite(number, p))
			word.checkBare(bareRead(number, p))
		}),
		each("iofd", func() {
			try.Check(e.Signal(1))
			try.Get(e.Wait())
		}),
		each("iofd, after Dup", func() {
			try.Check(original.Signal(1))
			try.Get(original.Wait())
		}),
		each("x/sys/unix", func() {
			word.check(unix.Write(number, p))
			word.check(unix.Read(number, p))
		}),
		each("os.File", func() {
			word.check(file.Write(p))
			word.check(file.Read(p))
		}),
	}
}

func openSignalCloseWays(*opened) []way {
	p := one()
	return []way{
		each("bare calls", func() {
			fd := bare.Call4(unix.SYS_EVENTFD2, 0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK, nil, nil)
			if fd < 0 {
				failed(fd, nil)
			}
			word.checkBare(bareWrite(fd, p))
			size(0).checkBare(bare.Call3(unix.SYS_CLOSE, uintptr(fd), nil, 0))
		}),
		each("iofd", func() {
			e := try.Get(eventfd.New(0))
			try.Check(e.Signal(1))
			try.Check(e.Close())
		}),
		each("x/sys/unix", func() {
			fd := try.Get(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
			try.Get(unix.Write(fd, p))
			try.Check(unix.Close(fd))
		}),
		each("os.File", func() {
			file := eventfdFile()
			try.Get(file.Write(p))
			try.Check(file.Close())
		}),
	}
}

// wokenWays have a loop that has been woken and has not looked yet.
func wokenWays(o *opened) []way {
	e, w, p := o.counter(), o.waker(), one()
	number := e.Fd()
	return []way{
		each("bare calls", func() { word.checkBare(bareWrite(number, p)) }),
		each("iofd Wake", func() { try.Check(w.Wake()) }),
		each("iofd Signal", func() { try.Check(e.Signal(1)) }),
		each("x/sys/unix", func() { try.Get(unix.Write(number, p)) }),
	}
}

func armWays(o *opened) []way {
	t := closing(o, try.Get(timerfd.New(timerfd.Monotonic)))
	number := t.Fd()
	timer := time.NewTimer(time.Hour)
	o.atEnd(func() error { timer.Stop(); return nil })
	return []way{
		each("bare calls", func() {
			spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(time.Hour))}
			size(0).checkBare(bare.Call4(unix.SYS_TIMERFD_SETTIME, uintptr(number), 0, unsafe.Pointer(&spec), nil))
		}),
		each("iofd", func() { try.Check(t.Arm(time.Hour, 0)) }),
		each("x/sys/unix", func() {
			spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(time.Hour))}
			try.Check(unix.TimerfdSettime(number, 0, &spec, nil))
		}),
		each("time.Timer Reset", func() { timer.Reset(time.Hour) }),
	}
}

func childWays(*opened) []way {
	program := try.Get(exec.LookPath("true"))
	return []way{
		each("exec.Cmd Run", func() { try.Check(exec.Command(program).Run()) }),
		each("iofd pidfd", func() {
			cmd := exec.Command(program)
			p := try.Get(pidfd.Start(cmd))
			try.Get(p.WaitContext(context.Background()))
			try.Check(errors.Join(cmd.Wait(), p.Close()))
		}),
		// The kernel's share: start a process with no files, and block a thread in wait4(2).
		each("syscall.ForkExec, wait4", func() {
			pid := try.Get(syscall.ForkExec(program, []string{program}, nil))
			err := error(syscall.EINTR)
			for err == syscall.EINTR {
				_, err = syscall.Wait4(pid, nil, 0, nil)
			}
			try.Check(err)
		}),
	}
}
