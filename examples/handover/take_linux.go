package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
)

// take returns a server that continues the one at the control socket. If take fails, the
// program ends, and the kernel closes all descriptors.
func take(o *options) (*server, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	c, err := connect(o.path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := errors.Join(c.SetDeadline(time.Now().Add(o.timeout)), sameUser(c)); err != nil {
		return nil, err
	}
	ready, err := eventfd.New(0)
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	old, err := ask(c, o.by, ready)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	file, err := memfd.ReceiveFrom(c, mayNotChange)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	st, err := readState(file)
	if err != nil {
		return nil, err
	}
	fds, err := descriptors(c, o.by, old, st.Descriptors)
	if err != nil {
		return nil, err
	}
	if err := s.restore(st, fds); err != nil {
		return nil, err
	}
	if err := turn(c, ready, old); err != nil {
		return nil, err
	}
	if err := s.renew(); err != nil {
		complain(err)
	}
	output.Printf("process %d serves %s after process %d: %s, %s, a pause of %v", os.Getpid(), s.address, old.PID(),
		counted(len(s.counters), "counter"), counted(len(s.conns), "connection"), st.Frozen.since().Round(100*time.Microsecond))
	notify("READY=1\nMAINPID=%d", os.Getpid())
	return s, nil
}

// connect connects to the old process. HUP has passed a connected socket.
func connect(path string) (*net.UnixConn, error) {
	if os.Getenv(passed) == "" {
		return net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	}
	if err := os.Unsetenv(passed); err != nil {
		return nil, err
	}
	return unixConn(passedNumber)
}

// unixConn makes a connection of a socket's number, which it closes.
func unixConn(number int) (*net.UnixConn, error) {
	file := os.NewFile(uintptr(number), "control")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	if c, ok := c.(*net.UnixConn); ok {
		return c, nil
	}
	return nil, errors.Join(fmt.Errorf("descriptor %d is not a Unix socket", number), c.Close())
}

// renew opens the control socket anew if its file was removed.
func (s *server) renew() error {
	if _, err := os.Lstat(s.path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	control, _, err := daemon.Listen("unixpacket", s.path)
	if err != nil {
		return err
	}
	err = errors.Join(s.control.Close(), s.door.Close())
	s.control = control
	return errors.Join(err, s.openDoor())
}

// counted returns a number and a noun, which has an s unless the number is 1.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}

// ask asks the old process to hand over, and returns it.
func ask(c *net.UnixConn, by string, ready *eventfd.EventFD) (*pidfd.PidFD, error) {
	self, err := pidfd.Self()
	if err != nil {
		return nil, err
	}
	defer self.Close()
	if err := send(c, takeBy+by, self.FD(), ready.FD()); err != nil {
		return nil, err
	}
	fds, err := expect(c, stateFollows)
	if err != nil {
		return nil, err
	}
	defer closeAll(fds)
	if len(fds) != 1 {
		return nil, fmt.Errorf("%d descriptors, not the one of a process", len(fds))
	}
	return pidfd.FromFD(fds[0])
}

// expect receives a message of a certain text, and returns its descriptors.
func expect(c *net.UnixConn, want string) ([]*fd.FD, error) {
	text, fds, err := receive(c)
	if err != nil {
		return nil, fmt.Errorf("nothing from the old process: %w", err)
	}
	if text == want {
		return fds, nil
	}
	closeAll(fds)
	return nil, unexpected(text)
}

// unexpected returns the error for another message than the expected one.
func unexpected(text string) error {
	if reason, ok := strings.CutPrefix(text, no); ok {
		return fmt.Errorf("the old process goes on: %s", reason)
	}
	return fmt.Errorf("%.40q from the old process", text)
}

// descriptors returns duplicates of those that the old process has by these numbers.
func descriptors(c *net.UnixConn, by string, old *pidfd.PidFD, numbers []int) ([]*fd.FD, error) {
	var fds []*fd.FD
	next := func() ([]*fd.FD, error) { return expect(c, hereAre) }
	if by == byPidfd {
		next = func() ([]*fd.FD, error) {
			f, err := old.GetFD(numbers[len(fds)])
			return []*fd.FD{f}, err
		}
	}
	for len(fds) < len(numbers) {
		more, err := next()
		if err != nil {
			closeAll(fds)
			return nil, err
		}
		if fds = append(fds, more...); len(more) == 0 || len(fds) > len(numbers) {
			closeAll(fds)
			return nil, errors.New("not as many descriptors as the state has")
		}
	}
	return fds, nil
}

// turn tells the old process that this one is ready. It returns when the old process has
// ended without another message, also by a crash. Only the old process decides now, so
// there is no time limit.
func turn(c *net.UnixConn, ready *eventfd.EventFD, old *pidfd.PidFD) error {
	if err := c.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if err := ready.Notify(); err != nil {
		return err
	}
	if text, fds, err := receive(c); err == nil {
		closeAll(fds)
		return unexpected(text)
	}
	return old.Exited(context.Background())
}
