package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

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
	if err := errors.Join(c.SetDeadline(time.Now().Add(o.timeout)), daemon.SameUser(c)); err != nil {
		return nil, err
	}
	old, ready, st, err := ask(c, o.by)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	defer ready.Close()
	if len(st.Conns) > cap(s.room) {
		return nil, fmt.Errorf("%s need more descriptors than RLIMIT_NOFILE allows, which has room for %d",
			daemon.Counted(len(st.Conns), "connection"), cap(s.room))
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
		daemon.Complain(err)
	}
	daemon.Output.Printf("process %d serves %s after process %d: %s, %s, a pause of %v", os.Getpid(), s.address, old.PID(),
		daemon.Counted(len(s.counters), "counter"), daemon.Counted(len(s.conns), "connection"), st.Frozen.Since().Round(100*time.Microsecond))
	daemon.Notify("READY=1\nMAINPID=%d", os.Getpid())
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
	return daemon.Adopt[*net.UnixConn](fd.New(passedNumber), net.FileConn)
}

// ask asks the old process to hand over. It returns the process, the eventfd to signal, and
// the state.
func ask(c *net.UnixConn, by string) (old *pidfd.PidFD, ready *eventfd.EventFD, st *state, err error) {
	self, err := pidfd.Self()
	if err != nil {
		return nil, nil, nil, err
	}
	err = send(c, takeBy+by, self.FD())
	if err = errors.Join(err, self.Close()); err != nil {
		return nil, nil, nil, err
	}
	fds, err := expect(c, stateFollows)
	switch {
	case err != nil:
		return nil, nil, nil, err
	case len(fds) != 2:
		return nil, nil, nil, fmt.Errorf("%d descriptors, not those of a process and an eventfd", len(fds))
	}
	if old, err = pidfd.FromFD(fds[0]); err != nil {
		return nil, nil, nil, err
	}
	if ready, err = eventfd.FromFD(fds[1]); err != nil {
		return nil, nil, nil, err
	}
	file, err := memfd.ReceiveFrom(c, mayNotChange)
	if err != nil {
		return nil, nil, nil, err
	}
	defer file.Close()
	st, err = readState(file)
	return old, ready, st, err
}

// descriptors returns duplicates of those that the old process has by these numbers.
func descriptors(c *net.UnixConn, by string, old *pidfd.PidFD, numbers []int) (fds []*fd.FD, err error) {
	for by == byPidfd && len(fds) < len(numbers) {
		f, err := old.GetFD(numbers[len(fds)])
		if err != nil {
			return nil, err
		}
		fds = append(fds, f)
	}
	for len(fds) < len(numbers) {
		more, err := expect(c, hereAre)
		if err != nil {
			return nil, err
		}
		if fds = append(fds, more...); len(more) == 0 || len(fds) > len(numbers) {
			return nil, errors.New("not as many descriptors as the state has")
		}
	}
	return fds, nil
}

// restore gives the state and its descriptors to a server that has nothing yet.
func (s *server) restore(st *state, fds []*fd.FD) (err error) {
	for _, f := range fds[:2] {
		if listens, err := unix.GetsockoptInt(f.Fd(), unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
			return fmt.Errorf("%v is no socket that listens", f)
		}
	}
	s.network, s.address = st.Network, st.Address
	if s.listener, err = daemon.Adopt[daemon.Listener](fds[0], net.FileListener); err != nil {
		return err
	}
	if s.control, err = daemon.Adopt[*net.UnixListener](fds[1], net.FileListener); err != nil {
		return err
	}
	if st.Counters != nil { // JSON may have null
		s.counters = st.Counters
	}
	for i, c := range st.Conns {
		if c.stream, err = daemon.Adopt[stream](fds[2+i], net.FileConn); err != nil {
			return err
		}
		s.conns[c] = struct{}{}
		s.room <- struct{}{}
	}
	return nil
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
	if text, _, err := receive(c); err == nil {
		return unexpected(text)
	}
	return old.Exited(context.Background())
}

// renew opens the control socket anew if its file was removed.
func (s *server) renew() error {
	if _, err := os.Lstat(s.path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	old := s.control
	if err := s.openControl(); err != nil {
		return err
	}
	return old.Close()
}
