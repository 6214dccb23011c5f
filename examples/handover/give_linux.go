package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
)

// door makes of the control socket what successors are accepted by.
func door(control *fd.FD) (*net.UnixListener, error) {
	file, err := control.File("control")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	if door, ok := l.(*net.UnixListener); ok {
		return door, nil
	}
	return nil, errors.Join(fmt.Errorf("the control socket listens at %v", l.Addr()), l.Close())
}

// meetAll serves those who connect to the control socket until it is closed.
func (s *server) meetAll() {
	for {
		switch c, err := s.door.AcceptUnix(); {
		case err == nil:
			go s.meet(c)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			time.Sleep(100 * time.Millisecond) // no descriptor to be had
		}
	}
}

// meet does what a process wants that has connected.
func (s *server) meet(c *net.UnixConn) {
	defer c.Close()
	limit, cancel := context.WithTimeoutCause(s.stopping, s.timeout, s.tooLate())
	defer cancel()
	_ = c.SetWriteDeadline(time.Now().Add(s.timeout))
	n, err := s.greet(limit, c)
	if err == nil {
		defer n.close()
		err = s.handOver(limit, c, n)
	}
	if err != nil {
		complain(fmt.Errorf("not handed over: %w", err))
	}
}

func (s *server) tooLate() error { return fmt.Errorf("not in %v", s.timeout) }

// greet finds out who has connected.
func (s *server) greet(limit context.Context, c *net.UnixConn) (n *successor, err error) {
	defer context.AfterFunc(limit, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })()
	if err = sameUser(c); err == nil {
		var text string
		var fds []*fd.FD
		if text, fds, err = receive(c); err == nil {
			n, err = identify(text, fds)
		}
	}
	if err != nil {
		_ = refuse(c, err)
	}
	return n, err
}

// refuse tells the other process that we go on.
func refuse(c *net.UnixConn, why error) error {
	if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	return send(c, no+why.Error())
}

// handOver gives all that the server has to a successor, and ends the server when that
// is ready. If it fails, the server goes on.
func (s *server) handOver(limit context.Context, c *net.UnixConn, n *successor) error {
	select {
	case s.handing <- struct{}{}:
	default:
		err := errors.New("another handover is under way")
		_ = refuse(c, err)
		return err
	}
	s.freeze()
	err := context.Cause(limit)
	if err == nil {
		err = s.give(limit, c, n)
	}
	if err == nil {
		// Before we end: else the service would have ended with us.
		notify("MAINPID=%d", n.process.PID())
		close(s.handedOver)
		return nil
	}
	// It must not take our end, some day, for its turn: it does not if it has hung up.
	if refused := refuse(c, err); refused != nil && !errors.Is(refused, unix.EPIPE) {
		_ = n.process.SendSignal(unix.SIGKILL)
	}
	_ = c.Close()
	s.thaw()
	n.bury()
	<-s.handing
	return err
}

// bury sees to it that a failed successor ends, as it has our sockets open.
func (n *successor) bury() {
	patience, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if n.process.Exited(patience) != nil {
		_ = n.process.SendSignal(unix.SIGKILL)
	}
}

// give sends what the frozen server has, and waits for the successor to be ready.
func (s *server) give(limit context.Context, c *net.UnixConn, n *successor) error {
	self, err := pidfd.Self()
	if err != nil {
		return err
	}
	defer self.Close()
	st, fds := s.state()
	file, err := st.seal()
	if err != nil {
		return err
	}
	defer file.Close()
	if err := send(c, stateFollows, self.FD()); err != nil {
		return err
	}
	if err := file.SendTo(c); err != nil {
		return err
	}
	if n.by == byRights {
		for some := range slices.Chunk(fds, mostRights) {
			if err := send(c, hereAre, some...); err != nil {
				return err
			}
		}
	}
	return n.await(limit, c)
}

// await returns when the successor is ready, or never will be.
func (n *successor) await(limit context.Context, c *net.UnixConn) error {
	limit, cancel := context.WithCancelCause(limit)
	defer cancel(nil)
	// It has nothing to say any more: what comes is the end of its connection.
	go func() {
		text, fds, err := receive(c)
		closeAll(fds)
		if err != nil {
			cancel(errors.New("it has hung up"))
		} else {
			cancel(fmt.Errorf("it says %.40q", text))
		}
	}()
	if _, err := n.ready.WaitContext(limit); err != nil {
		return fmt.Errorf("process %d did not get ready: %w", n.process.PID(), context.Cause(limit))
	}
	// A counter outlives who has signalled it.
	if alive, err := n.process.Alive(); err != nil || !alive {
		return fmt.Errorf("process %d ended when it was ready", n.process.PID())
	}
	return nil
}
