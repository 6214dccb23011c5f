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

// openDoor makes s.door of the control socket.
func (s *server) openDoor() error {
	file, err := s.control.File("control")
	if err != nil {
		return err
	}
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return err
	}
	door, ok := l.(*net.UnixListener)
	if !ok {
		return errors.Join(fmt.Errorf("the control socket listens at %v", l.Addr()), l.Close())
	}
	s.door = door
	return nil
}

// meetAll serves the processes that connect to the control socket until it is closed.
func (s *server) meetAll() {
	for {
		switch c, err := s.door.AcceptUnix(); {
		case err == nil:
			go func() {
				if err := s.meet(c); err != nil {
					complain(fmt.Errorf("not handed over: %w", err))
				}
			}()
		case errors.Is(err, net.ErrClosed):
			return
		default:
			time.Sleep(100 * time.Millisecond) // no descriptor is free
		}
	}
}

// meet serves a process that is connected, and closes the connection.
func (s *server) meet(c *net.UnixConn) error {
	defer c.Close()
	limit, cancel := context.WithTimeoutCause(s.stopping, s.timeout, s.tooLate())
	defer cancel()
	_ = c.SetWriteDeadline(time.Now().Add(s.timeout))
	n, err := s.greet(limit, c)
	if err != nil {
		return err
	}
	defer n.close()
	return s.handOver(limit, c, n)
}

func (s *server) tooLate() error { return fmt.Errorf("not in %v", s.timeout) }

// greet returns the process that has connected.
func (s *server) greet(limit context.Context, c *net.UnixConn) (n *successor, err error) {
	defer context.AfterFunc(limit, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })()
	if err = sameUser(c); err == nil {
		var text string
		var fds []*fd.FD
		if text, fds, err = receive(c); err == nil {
			n, err = s.identify(text, fds)
		}
	}
	if err != nil {
		_ = refuse(c, err)
	}
	return n, err
}

// refuse tells the other process that this process goes on.
func refuse(c *net.UnixConn, why error) error {
	if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	return send(c, no+why.Error())
}

// handOver gives everything to a successor, and ends the server when the successor is
// ready. If handOver fails, the server goes on.
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
		// The manager must know before this process ends, or it takes the end for the service's.
		notify("MAINPID=%d", n.process.PID())
		close(s.handedOver)
		return nil
	}
	// The successor must not take a later end of this process for its turn. A successor
	// that has hung up does not.
	if refused := refuse(c, err); refused != nil && !errors.Is(refused, unix.EPIPE) {
		_ = n.process.SendSignal(unix.SIGKILL)
	}
	_ = c.Close()
	s.thaw()
	n.bury()
	<-s.handing
	return err
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

// await returns when the successor is ready, or cannot become ready.
func (n *successor) await(limit context.Context, c *net.UnixConn) error {
	limit, cancel := context.WithCancelCause(limit)
	defer cancel(nil)
	// The successor sends no more messages. The end of its connection is a failure.
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
	// The eventfd stays signaled if the successor has ended.
	if alive, err := n.process.Alive(); err != nil || !alive {
		return fmt.Errorf("process %d ended when it was ready", n.process.PID())
	}
	return nil
}
