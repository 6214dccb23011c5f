package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
)

// take returns a server that carries on where the one at the control socket has
// stopped. Should it fail, the program ends, and closes what was opened and received.
func take(o *options) (*server, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: o.path, Net: "unixpacket"})
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
	fmt.Printf("process %d serves %s after process %d: %d counters, %d connections, a pause of %v\n",
		os.Getpid(), s.address, old.PID(), len(s.counters), len(s.conns), time.Since(st.Frozen).Round(100*time.Microsecond))
	return s, nil
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

// unexpected says what is wrong with a message.
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

// turn says that we are ready, and returns when it is our turn: when the old process
// has ended without another word, be it by a crash. From when we are ready it alone
// decides, so there is no time limit.
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
