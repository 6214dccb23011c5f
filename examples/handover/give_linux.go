package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
)

// HUP passes a connected control socket to the successor, so it needs no file. The
// environment variable tells the successor. ExtraFiles begin with this number.
const (
	passed       = "HANDOVER_PASSED"
	passedNumber = 3
)

// A successor is the new process in the old one.
type successor struct {
	*net.UnixConn
	process *pidfd.PidFD
	ready   *eventfd.EventFD
	by      string
}

// meetAll hands over to the processes that connect to the control socket, one at a time.
func (s *server) meetAll() {
	for {
		switch c, err := s.control.AcceptUnix(); {
		case err == nil:
			if err := s.alone(func() error { return s.meet(c) }); err != nil {
				daemon.Complain(fmt.Errorf("not handed over: %w", err))
			}
		case errors.Is(err, net.ErrClosed):
			return
		default:
			time.Sleep(100 * time.Millisecond) // no descriptor is free
		}
	}
}

// restartAll restarts the server for each HUP.
func (s *server) restartAll() {
	for range s.restarts {
		if err := s.alone(s.restart); err != nil {
			daemon.Complain(err)
		}
	}
}

// alone calls a function that hands over when no other does.
func (s *server) alone(handOver func() error) error {
	s.handing <- struct{}{}
	err := handOver()
	if err == nil {
		close(s.handedOver)
	} else {
		<-s.handing
	}
	return err
}

// restart starts a successor, and hands over to it.
func (s *server) restart() error {
	if err := mayEnd(); err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()
	ours, err := daemon.Adopt[*net.UnixConn](fd.New(pair[0]), net.FileConn)
	if err != nil {
		return err
	}
	args := s.args
	if !s.take {
		args = append([]string{"-take"}, args...)
	}
	// Not os.Executable, which follows a file that was renamed to make room for a newer one.
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(os.Environ(), passed+"=1")
	if err := cmd.Start(); err != nil {
		return errors.Join(err, ours.Close())
	}
	_ = theirs.Close() // so that the successor's end is the end of the connection
	if err = s.meet(ours); err == nil {
		return nil
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err == io.EOF { // it has ended
		return fmt.Errorf("successor %d: %v", cmd.Process.Pid, cmd.ProcessState)
	}
	return fmt.Errorf("successor %d: %w: %v", cmd.Process.Pid, err, cmd.ProcessState)
}

// mayEnd returns why this process must not end, if it must not. With process 1 the
// kernel kills all processes of a PID namespace, its successor too.
func mayEnd() error {
	if os.Getpid() == 1 {
		return errors.New("process 1 of a container cannot hand over: the container would end with it")
	}
	return nil
}

// meet hands over to the process at the other end of a connection, and closes the
// connection. If meet fails, the server goes on.
func (s *server) meet(c *net.UnixConn) error {
	defer c.Close()
	limit, cancel := context.WithTimeoutCause(s.stopping, s.timeout, fmt.Errorf("not in %v", s.timeout))
	defer cancel()
	_ = c.SetWriteDeadline(time.Now().Add(s.timeout))
	defer context.AfterFunc(limit, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })()
	n, err := greet(c)
	if err != nil {
		_ = refuse(c, err)
		return cmp.Or(context.Cause(limit), err)
	}
	defer n.close()
	s.freeze()
	if err = context.Cause(limit); err == nil {
		err = s.give(limit, n)
	}
	if err == nil {
		// The manager must know before this process ends, or it takes the end for the service's.
		daemon.Notify("MAINPID=%d", n.process.PID())
		return nil
	}
	// The successor must not take a later end of this process for its turn. A successor
	// that has hung up does not.
	if refused := refuse(c, err); refused != nil && !errors.Is(refused, unix.EPIPE) {
		_ = n.process.SendSignal(unix.SIGKILL)
	}
	_ = c.Close()
	s.start()
	n.bury()
	return err
}

// greet returns the process that asks. The sender may be any process.
func greet(c *net.UnixConn) (*successor, error) {
	if err := daemon.SameUser(c); err != nil {
		return nil, err
	}
	text, fds, err := receive(c)
	if err != nil {
		return nil, err
	}
	defer closeAll(fds)
	if err := mayEnd(); err != nil {
		return nil, err
	}
	n := &successor{UnixConn: c, process: new(pidfd.PidFD), ready: new(eventfd.EventFD)}
	switch n.by = strings.TrimPrefix(text, takeBy); {
	case text != takeBy+byRights && text != takeBy+byPidfd:
		return nil, fmt.Errorf("%.40q is not a request", text)
	case len(fds) != 1:
		return nil, fmt.Errorf("a request with %d descriptors, not 1", len(fds))
	}
	if n.process, err = pidfd.FromFD(fds[0]); err != nil {
		return nil, err
	}
	if n.ready, err = eventfd.New(0); err != nil {
		_ = n.process.Close()
		return nil, err
	}
	return n, nil
}

func (n *successor) close() {
	_ = n.process.Close()
	_ = n.ready.Close()
}

// refuse tells the other process that this process goes on.
func refuse(c *net.UnixConn, why error) error {
	if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	return send(c, no+why.Error())
}

// bury ends a failed successor, because it has the sockets open.
func (n *successor) bury() {
	patience, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if n.process.Exited(patience) != nil {
		_ = n.process.SendSignal(unix.SIGKILL)
	}
}

// give sends what the frozen server has, and waits for the successor to be ready.
func (s *server) give(limit context.Context, n *successor) error {
	st, fds := s.state()
	if err := n.sendState(st); err != nil {
		return err
	}
	if n.by == byRights {
		for some := range slices.Chunk(fds, mostRights) {
			if err := send(n.UnixConn, hereAre, some...); err != nil {
				return err
			}
		}
	}
	return n.await(limit)
}

func (n *successor) sendState(st *state) error {
	self, err := pidfd.Self()
	if err != nil {
		return err
	}
	err = send(n.UnixConn, stateFollows, self.FD(), n.ready.FD())
	if err = errors.Join(err, self.Close()); err != nil {
		return err
	}
	file, err := st.seal()
	if err != nil {
		return err
	}
	defer file.Close()
	return file.SendTo(n.UnixConn)
}

// await returns when the successor is ready, or cannot become ready.
func (n *successor) await(limit context.Context) error {
	ctx, cancel := context.WithCancelCause(limit)
	defer cancel(nil)
	// The successor sends no more messages. The end of its connection is a failure.
	go func() {
		text, fds, err := receive(n.UnixConn)
		closeAll(fds)
		why := fmt.Errorf("it says %.40q", text)
		if err != nil {
			why = errors.New("it has hung up")
		}
		cancel(cmp.Or(context.Cause(limit), why))
	}()
	if _, err := n.ready.WaitContext(ctx); err != nil {
		return fmt.Errorf("process %d did not get ready: %w", n.process.PID(), context.Cause(ctx))
	}
	// The eventfd stays signaled if the successor has ended.
	if alive, err := n.process.Alive(); err != nil || !alive {
		return fmt.Errorf("process %d ended when it was ready", n.process.PID())
	}
	return nil
}
