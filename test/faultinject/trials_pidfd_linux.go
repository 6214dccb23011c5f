package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
)

// sleeper starts a child that sleeps until it is killed, when the attempt is over.
func sleeper(a *attempt) *pidfd.PidFD {
	cmd := exec.Command("sleep", "100")
	p, err := pidfd.Start(cmd)
	closes(a, p, err)
	a.later(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	return p
}

// zombie starts a child that ends, and returns when it has. It is reaped when the
// attempt is over, if not before.
func zombie(a *attempt) *pidfd.PidFD {
	cmd := exec.Command("sh", "-c", "exit 3")
	a.must(cmd.Start())
	a.later(func() {
		if cmd.Wait() != nil {
			_ = cmd.Process.Release() // the handle has reaped it
		}
	})
	p, err := pidfd.Open(cmd.Process.Pid)
	closes(a, p, err)
	a.must(p.Exited(context.Background()))
	return p
}

// onSleeper tries an operation on a child that sleeps.
func onSleeper(by, call, op string, do func(p *pidfd.PidFD) error) trial {
	return trial{by: by, call: call, op: op, run: on(sleeper, do)}
}

var pidfdTrials = slices.Concat(
	[]trial{
		{by: "pidfd", call: "pidfd_open", op: "pidfd.Self", run: repeats(func() error { return closing(pidfd.Self()) })},
		{by: "pidfd", call: "pidfd_open", op: "pidfd.OpenThread", run: repeats(func() error { return closing(pidfd.OpenThread(os.Getpid())) })},
		{by: "internal/sys", call: "waitid", op: "pidfd.OpenEnded", run: on(zombie, func(*pidfd.PidFD) error { return closing(pidfd.OpenEnded()) })},
		{by: "internal/sys", call: "waitid", op: "PidFD.Wait", run: on(zombie, func(p *pidfd.PidFD) error {
			status, err := p.Wait()
			if err != nil {
				return err
			}
			return gives(3)(status.Code, nil)
		})},
		{by: "internal/sys", call: "waitid", op: "PidFD.WaitContext", run: func(a *attempt) {
			p := zombie(a)
			ctx := soon(a)
			_ = a.refuse(every, func() error { return second(p.WaitContext(ctx)) })
			a.must(second(p.Wait()))
		}},
		onSleeper("internal/sys", "pidfd_send_signal", "PidFD.SendSignal", func(p *pidfd.PidFD) error { return p.SendSignal(unix.SIGCONT) }),
		onSleeper("internal/sys", "pidfd_send_signal", "PidFD.Queue", func(p *pidfd.PidFD) error { return p.Queue(unix.SIGCONT, 1) }),
		onSleeper("pidfd", "pidfd_send_signal", "PidFD.SendSignalTo",
			func(p *pidfd.PidFD) error { return p.SendSignalTo(unix.SIGCONT, pidfd.ThreadGroup) }),
		onSleeper("internal/sys", "ppoll", "PidFD.Alive", func(p *pidfd.PidFD) error { return gives(true)(p.Alive()) }),
		onSleeper("internal/sys", "ppoll", "PidFD.Exited", func(p *pidfd.PidFD) error { return inVain(p.Exited) }),
		onSleeper("internal/sys", "ppoll", "PidFD.Reaped", func(p *pidfd.PidFD) error { return inVain(p.Reaped) }),
		onSleeper("pidfd", "fstatfs", "PidFD.ID", func(p *pidfd.PidFD) error { return second(p.ID()) }),
		onSleeper("pidfd", "fstat", "PidFD.ID", func(p *pidfd.PidFD) error { return second(p.ID()) }),
		onSleeper("pidfd", "ioctl PIDFD_GET_INFO", "PidFD.Info", info),
		onSleeper("fd", "openat", "PidFD.Info", info),
		onSleeper("pidfd", "fcntl F_GETFL", "PidFD.Usage", func(p *pidfd.PidFD) error { return second(p.Usage()) }),
		onSleeper("pidfd", "ioctl PIDFD_GET_NAMESPACE", "PidFD.Namespace",
			func(p *pidfd.PidFD) error { return closing(p.Namespace(pidfd.NetNamespace)) }),
		onSleeper("pidfd", "pidfd_getfd", "PidFD.GetFD", func(p *pidfd.PidFD) error { return closing(p.GetFD(0)) }),
	},
	each("pidfd", "pidfd.FromPeer", on(rawSocket, func(c syscall.RawConn) error { return closing(pidfd.FromPeer(c)) }),
		"getsockopt SO_PEERCRED", "getsockopt SO_PEERPIDFD"),
	[]trial{
		{by: "pidfd", call: "fcntl F_DUPFD_CLOEXEC", op: "pidfd.FromProcess", run: func(a *attempt) {
			process, err := os.FindProcess(sleeper(a).PID())
			a.must(err)
			a.later(func() { _ = process.Release() })
			a.repeat(every, func() error { return closing(pidfd.FromProcess(process)) })
		}},
		// The duplicate for a caller's own SysProcAttr.PidFD, which is -1 without.
		{by: "pidfd", call: "fcntl F_DUPFD_CLOEXEC", op: "pidfd.Start", run: repeats(func() error {
			number := -2
			err := startTrue(&syscall.SysProcAttr{PidFD: &number})
			if err == nil && number >= 0 {
				return unix.Close(number)
			}
			return gives(-1)(number, err)
		})},
		{by: "os/exec", call: "clone", op: "pidfd.Start", match: ofProcess, run: repeats(func() error { return startTrue(nil) })},
		// Package os asks once whether there are pidfds, and pidfd.Start does not need its answer.
		{by: "os/exec", call: "pidfd_open", op: "pidfd.Start, the first", once: true, run: repeats(func() error { return startTrue(nil) })},
		// Before Linux 6.13 /proc has the ID, and this trial does not cover that.
		{by: "pidfd", call: "ioctl PIDFD_GET_INFO", op: "pidfd.FromFD", run: fromPidfd},
	},
)

// ofProcess selects the calls of clone(2) that make a process, not a thread.
func ofProcess(args *[6]uint64) bool { return args[0]&unix.CLONE_VFORK != 0 }

func startTrue(attr *syscall.SysProcAttr) error {
	cmd := exec.Command("true")
	cmd.SysProcAttr = attr
	p, err := pidfd.Start(cmd)
	if err != nil {
		return err
	}
	return errors.Join(p.Close(), cmd.Wait())
}

// info asks the kernel or /proc for all that they have.
func info(p *pidfd.PidFD) error {
	got, err := p.Info()
	return gives(p.PID())(got.PID, err)
}

func rawSocket(a *attempt) syscall.RawConn {
	c, _ := sockets(a, unix.SOCK_STREAM)
	conn, err := c.SyscallConn()
	a.must(err)
	return conn
}

// sockets returns two connected Unix sockets.
func sockets(a *attempt, kind int) (x, y *net.UnixConn) {
	pair, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	a.must(err)
	var conns [2]*net.UnixConn
	for i, number := range pair {
		file := os.NewFile(uintptr(number), "")
		conn, err := net.FileConn(file)
		_ = file.Close()
		conns[i] = closes(a, conn.(*net.UnixConn), err)
	}
	return conns[0], conns[1]
}
