package main

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/test/internal/try"
	"code.hybscloud.com/iofd/timerfd"
)

// rows returns all rows, in the order of the table.
func rows() []row {
	return slices.Concat(
		[]row{
			{name: "eventfd Signal+Wait", open: signalWaitWays, bothCounts: true},
			{name: "eventfd open, Signal, close", open: openSignalCloseWays},
			{name: "wake a loop that is woken", open: wokenWays},
			{name: "two parked waits: round trip, goroutines", open: wakeGoroutineWays, round: longRound},
			{name: "two parked waits: round trip, processes", open: wakeProcessWays, round: longRound},
			{name: "timerfd Arm", open: armWays, bothCounts: true},
		},
		fdRows(),
		[]row{
			{name: "signal from another process", open: signalWays(1), round: longRound, blocked: ourSignals(1)},
			{name: "12 signals from another process", open: signalWays(12), round: longRound, blocked: ourSignals(12)},
			{name: "start a child, wait for its end", open: childWays},
			{name: "1 MiB: create, map, fill, close", open: mapWays},
			{name: "1 MiB to another process", open: passWays(1), round: longRound},
			{name: "1 MiB to 4 processes", open: passWays(4), round: longRound},
			{name: "Signal+Wait on many handles in turn", open: manyHandleWays},
			{name: "Signal+Wait on one handle at once", open: manyGoroutineWays, round: longRound},
		},
	)
}

func signalWaitWays(o *opened) []way {
	e, original, file := o.counter(), o.counter(), o.eventfdFile()
	closing(o, try.Get(original.Dup())) // a duplicate ends the fast path
	p := one()
	return []way{
		timed("bare calls", func(n int) { bareSignalWait(n, e.Fd()) }),
		timed("iofd", func(n int) { signalWait(n, e) }),
		timed("iofd, after Dup", func(n int) { signalWait(n, original) }),
		timed("x/sys/unix", func(n int) { unixWriteRead(n, e.Fd(), e.Fd(), p[:]) }),
		timed("os.File", func(n int) { fileWriteRead(n, file, file, p[:]) }),
	}
}

func openSignalCloseWays(*opened) []way {
	p := one()
	return []way{
		timed("bare calls", times(bareOpenSignalClose)),
		timed("iofd", times(func() {
			e := try.Get(eventfd.New(0))
			try.Check(e.Signal(1))
			try.Check(e.Close())
		})),
		timed("x/sys/unix", times(func() {
			fd := try.Get(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
			try.Get(unix.Write(fd, p[:]))
			try.Check(unix.Close(fd))
		})),
		timed("os.File", times(func() {
			file := try.Get(eventfdFile())
			try.Get(file.Write(p[:]))
			try.Check(file.Close())
		})),
	}
}

// wokenWays have a loop that has been woken and has not looked yet.
func wokenWays(o *opened) []way {
	e, w, p := o.counter(), o.waker(), one()
	return []way{
		timed("bare calls", times(func() { bareSignal(e.Fd()) })),
		timed("iofd Wake", times(func() { try.Check(w.Wake()) })),
		timed("iofd Signal", times(func() { try.Check(e.Signal(1)) })),
		timed("x/sys/unix", times(func() { try.Get(unix.Write(e.Fd(), p[:])) })),
	}
}

func armWays(o *opened) []way {
	t := closing(o, try.Get(timerfd.New(timerfd.Monotonic)))
	timer := time.NewTimer(time.Hour)
	o.atEnd(func() error { timer.Stop(); return nil })
	return []way{
		timed("bare calls", times(func() { bareArm(t.Fd(), time.Hour) })),
		timed("iofd", times(func() { try.Check(t.Arm(time.Hour, 0)) })),
		timed("x/sys/unix", times(func() {
			spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(time.Hour))}
			try.Check(unix.TimerfdSettime(t.Fd(), 0, &spec, nil))
		})),
		timed("time.Timer Reset", times(func() { timer.Reset(time.Hour) })),
	}
}

func childWays(*opened) []way {
	program := try.Get(exec.LookPath("true"))
	return []way{
		timed("exec.Cmd Run", times(func() { try.Check(exec.Command(program).Run()) })),
		timed("iofd pidfd", times(func() {
			cmd := exec.Command(program)
			p := try.Get(pidfd.Start(cmd))
			try.Get(p.WaitContext(context.Background()))
			try.Check(errors.Join(cmd.Wait(), p.Close()))
		})),
		// The kernel's share: start a process with no files, and block a thread in wait4(2).
		timed("syscall.ForkExec, wait4", times(func() {
			pid := try.Get(syscall.ForkExec(program, []string{program}, nil))
			err := error(syscall.EINTR)
			for err == syscall.EINTR {
				_, err = syscall.Wait4(pid, nil, 0, nil)
			}
			try.Check(err)
		})),
	}
}
