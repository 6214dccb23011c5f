package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
)

// sleeper starts a child that sleeps until it is killed, when the trial is over.
func sleeper(s *setup) *pidfd.PidFD {
	cmd := exec.Command("sleep", "100")
	p, err := pidfd.Start(cmd)
	s.must(err)
	s.later(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = p.Close()
	})
	return p
}

// zombie starts a child that ends, and returns when it has. It is reaped when the
// trial is over, if not before.
func zombie(s *setup) *pidfd.PidFD {
	cmd := exec.Command("sh", "-c", "exit 3")
	s.must(cmd.Start())
	p, err := pidfd.Open(cmd.Process.Pid)
	s.must(err)
	s.must(p.Exited(context.Background()))
	s.later(func() {
		if cmd.Wait() != nil {
			_ = cmd.Process.Release() // p has reaped it
		}
		_ = p.Close()
	})
	return p
}

func onSleeper(by, call, op string, do func(p *pidfd.PidFD) error) trial {
	return trial{
		by: by, call: call, op: op,
		prepare: func(s *setup) func() error {
			p := sleeper(s)
			return func() error { return do(p) }
		},
	}
}

var pidfdTrials = []trial{
	{by: "pidfd", call: "pidfd_open", op: "pidfd.Self", prepare: always(func() error { return closing(pidfd.Self()) })},
	{by: "pidfd", call: "pidfd_open", op: "pidfd.OpenThread", prepare: always(func() error { return closing(pidfd.OpenThread(os.Getpid())) })},
	{
		by: "internal/sys", call: "waitid", op: "pidfd.OpenEnded",
		prepare: func(s *setup) func() error {
			zombie(s)
			return func() error { return closing(pidfd.OpenEnded()) }
		},
	},
	{
		by: "internal/sys", call: "waitid", op: "PidFD.Wait",
		prepare: func(s *setup) func() error {
			p := zombie(s)
			return func() error {
				status, err := p.Wait()
				if err != nil {
					return err
				}
				return gives(3)(status.Code, nil)
			}
		},
	},
	{
		by: "internal/sys", call: "waitid", op: "PidFD.WaitContext",
		prepare: func(s *setup) func() error {
			p := zombie(s)
			ctx := soon(s)
			s.check(func(error) error { return second(p.Wait()) })
			return func() error { return second(p.WaitContext(ctx)) }
		},
	},
	onSleeper("internal/sys", "pidfd_send_signal", "PidFD.SendSignal",
		func(p *pidfd.PidFD) error { return p.SendSignal(unix.SIGCONT) }),
	onSleeper("internal/sys", "pidfd_send_signal", "PidFD.Queue",
		func(p *pidfd.PidFD) error { return p.Queue(unix.SIGCONT, 1) }),
	onSleeper("pidfd", "pidfd_send_signal", "PidFD.SendSignalTo",
		func(p *pidfd.PidFD) error { return p.SendSignalTo(unix.SIGCONT, pidfd.ThreadGroup) }),
	onSleeper("internal/sys", "ppoll", "PidFD.Alive",
		func(p *pidfd.PidFD) error { return gives(true)(p.Alive()) }),
	onSleeper("internal/sys", "ppoll", "PidFD.Exited", untilSoon((*pidfd.PidFD).Exited)),
	onSleeper("internal/sys", "ppoll", "PidFD.Reaped", untilSoon((*pidfd.PidFD).Reaped)),
	onSleeper("pidfd", "fstatfs", "PidFD.ID",
		func(p *pidfd.PidFD) error { return second(p.ID()) }),
	onSleeper("pidfd", "fstat", "PidFD.ID",
		func(p *pidfd.PidFD) error { return second(p.ID()) }),
	onSleeper("pidfd", "ioctl PIDFD_GET_INFO", "PidFD.Info", info),
	onSleeper("fd", "openat", "PidFD.Info", info),
	onSleeper("pidfd", "fcntl F_GETFL", "PidFD.Usage",
		func(p *pidfd.PidFD) error { return second(p.Usage()) }),
	onSleeper("pidfd", "ioctl PIDFD_GET_NAMESPACE", "PidFD.Namespace",
		func(p *pidfd.PidFD) error { return closing(p.Namespace(pidfd.NetNamespace)) }),
	onSleeper("pidfd", "pidfd_getfd", "PidFD.GetFD",
		func(p *pidfd.PidFD) error { return closing(p.GetFD(0)) }),
	{by: "pidfd", call: "getsockopt SO_PEERCRED", op: "pidfd.FromPeer", prepare: fromPeer},
	{by: "pidfd", call: "getsockopt SO_PEERPIDFD", op: "pidfd.FromPeer", prepare: fromPeer},
	{
		by: "pidfd", call: "fcntl F_DUPFD_CLOEXEC", op: "pidfd.FromProcess",
		prepare: func(s *setup) func() error {
			cmd := exec.Command("sleep", "100")
			s.must(cmd.Start())
			s.later(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
			return func() error { return closing(pidfd.FromProcess(cmd.Process)) }
		},
	},
	{
		// The duplicate for a caller's own SysProcAttr.PidFD, which is -1 without.
		by: "pidfd", call: "fcntl F_DUPFD_CLOEXEC", op: "pidfd.Start",
		prepare: always(func() error {
			number := -2
			cmd := exec.Command("true")
			cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &number}
			p, err := pidfd.Start(cmd)
			if err != nil {
				return err
			}
			if number >= 0 {
				err = unix.Close(number)
			} else {
				err = gives(-1)(number, nil)
			}
			return errors.Join(err, p.Close(), cmd.Wait())
		}),
	},
	{
		by: "os/exec", call: "clone", op: "pidfd.Start",
		prepare: always(func() error {
			cmd := exec.Command("true")
			p, err := pidfd.Start(cmd)
			if err != nil {
				return err
			}
			return errors.Join(p.Close(), cmd.Wait())
		}),
	},
	{
		// Before Linux 6.13 /proc has the ID, and this trial does not cover that.
		by: "pidfd", call: "ioctl PIDFD_GET_INFO", op: "pidfd.FromFD",
		prepare: fromPidfd,
	},
}

// info asks the kernel or /proc for all that they have.
func info(p *pidfd.PidFD) error {
	got, err := p.Info()
	return gives(p.PID())(got.PID, err)
}

// untilSoon waits for an event that does not happen.
func untilSoon(wait func(*pidfd.PidFD, context.Context) error) func(*pidfd.PidFD) error {
	return func(p *pidfd.PidFD) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience/1000)
		defer cancel()
		switch err := wait(p, ctx); {
		case err == nil:
			return errors.New("it says that a process that runs has ended")
		case errors.Is(err, context.DeadlineExceeded):
			return nil
		default:
			return err
		}
	}
}

// sockets returns two connected Unix sockets.
func sockets(s *setup, kind int) (a, b *net.UnixConn) {
	pair, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	s.must(err)
	var conns [2]*net.UnixConn
	for i, number := range pair {
		file := os.NewFile(uintptr(number), "")
		conn, err := net.FileConn(file)
		_ = file.Close()
		conns[i] = closes(s, conn.(*net.UnixConn), err)
	}
	return conns[0], conns[1]
}

func fromPeer(s *setup) func() error {
	a, _ := sockets(s, unix.SOCK_STREAM)
	conn, err := a.SyscallConn()
	s.must(err)
	return func() error { return closing(pidfd.FromPeer(conn)) }
}
