package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/fd"
)

// ownDescriptors is how many descriptors a server needs beside one for each connection:
// nine with those of the Go runtime, six for a handover, and one to spare.
const ownDescriptors = 16

// A server counts for clients. Between start and freeze a goroutine accepts connections,
// and each connection has a goroutine. In a frozen server no goroutine uses them.
type server struct {
	*options
	listener daemon.Listener    // clients connect to it
	control  *net.UnixListener  // successors connect to it
	room     chan struct{}      // has a token for each connection
	ctx      context.Context    // ended by freeze
	pause    context.CancelFunc // ends ctx
	serving  sync.WaitGroup     // the goroutines
	draining bool               // accept nothing, and close a connection when it is idle
	mu       sync.Mutex         // for the maps
	counters map[string]uint64
	conns    map[*conn]struct{}

	restarts, ends chan os.Signal

	handing    chan struct{}   // has a token while a handover is under way
	handedOver chan struct{}   // closed when a successor has taken over; handing keeps its token
	stopping   context.Context // ended by a signal that ends the server
	stop       context.CancelCauseFunc
}

// newServer makes what both a first server and a successor need. If it fails, the program
// ends.
func newServer(o *options) (*server, error) {
	s := &server{
		options: o, counters: make(map[string]uint64), conns: make(map[*conn]struct{}),
		handing: make(chan struct{}, 1), handedOver: make(chan struct{}),
		restarts: make(chan os.Signal, 1), ends: make(chan os.Signal, 1),
	}
	s.stopping, s.stop = context.WithCancelCause(context.Background())
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	if limit.Cur <= ownDescriptors {
		return nil, fmt.Errorf("RLIMIT_NOFILE is %d: at least %d are needed", limit.Cur, ownDescriptors+1)
	}
	s.room = make(chan struct{}, min(limit.Cur, 1<<30)-ownDescriptors)
	signal.Notify(s.restarts, unix.SIGHUP)
	signal.Notify(s.ends, unix.SIGTERM, unix.SIGINT)
	return s, nil
}

// open returns a server that begins from nothing.
func open(o *options) (*server, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	if err := s.openControl(); err != nil {
		if errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("%w: use -take if a server is there, and remove the file if there is none", err)
		}
		return nil, err
	}
	if s.listener, err = daemon.Open(o.network, o.address); err != nil {
		return nil, errors.Join(err, os.Remove(o.path))
	}
	s.address = s.listener.Addr().String()
	daemon.Output.Printf("process %d serves %s", os.Getpid(), s.address)
	daemon.Notify("READY=1")
	return s, nil
}

func (s *server) openControl() error {
	l, err := daemon.Open("unixpacket", s.path)
	if err == nil {
		s.control = l.(*net.UnixListener)
	}
	return err
}

// run serves until a signal ends the server, or a successor has taken over.
func (s *server) run() error {
	s.start()
	go s.meetAll()
	go s.restartAll()
	select {
	case <-s.handedOver:
		return nil
	case <-s.ends:
		return s.drain()
	}
}

// start lets a new or frozen server serve.
func (s *server) start() {
	s.ctx, s.pause = context.WithCancel(context.Background())
	s.mu.Lock()
	for c := range s.conns {
		s.serve(c)
	}
	s.mu.Unlock()
	if !s.draining {
		s.serving.Go(s.accept)
	}
}

// freeze ends the goroutines that serve, between two requests or in the middle of one. It
// ends their context first. So a goroutine that sets a deadline and then finds the
// context alive waits no longer than freeze.
func (s *server) freeze() {
	s.pause()
	past := time.Unix(1, 0)
	_ = s.listener.SetDeadline(past)
	s.mu.Lock()
	for c := range s.conns {
		_ = c.SetDeadline(past)
	}
	s.mu.Unlock()
	s.serving.Wait()
}

// accept accepts connections as long as there is room. Other clients wait in the queue of
// the listening socket.
func (s *server) accept() {
	_ = s.listener.SetDeadline(time.Time{})
	for s.ctx.Err() == nil {
		select {
		case s.room <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		c, err := s.listener.Accept()
		if err != nil {
			<-s.room
			daemon.Sleep(s.ctx, 100*time.Millisecond) // the limit of descriptors was lowered
			continue
		}
		s.serve(s.add(c.(stream)))
	}
}

// add adds a new connection, which has a token of s.room.
func (s *server) add(from stream) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &conn{stream: from, Since: daemon.Now()}
	s.conns[c] = struct{}{}
	return c
}

// serve serves a connection in a goroutine until ctx ends or the connection is over.
func (s *server) serve(c *conn) {
	s.serving.Go(func() {
		for s.ctx.Err() == nil {
			// If ctx has ended by now, it may be the reason of the error.
			if err := s.step(c); err != nil && s.ctx.Err() == nil {
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
				_ = c.Close()
				<-s.room
				return
			}
		}
	})
}

// drain ends the server when the requests that have come are answered.
func (s *server) drain() error {
	s.stop(errors.New("the server was told to end"))
	select {
	case <-s.handedOver:
		return nil
	case s.handing <- struct{}{}: // the last handover has failed
	}
	s.freeze()
	for len(s.room) < cap(s.room) {
		queued, _, err := unix.Accept4(daemon.Number(s.listener), unix.SOCK_CLOEXEC)
		if err != nil {
			break
		}
		c, err := daemon.Adopt[stream](fd.New(queued), net.FileConn)
		if err != nil {
			break
		}
		s.room <- struct{}{}
		s.add(c)
	}
	// Once a socket is closed, its file may be another server's.
	err := daemon.Remove(s.path)
	if s.network == "unix" {
		err = errors.Join(err, daemon.Remove(s.address))
	}
	err = errors.Join(err, s.listener.Close(), s.control.Close())
	s.draining = true
	s.start()
	defer time.AfterFunc(s.timeout, s.freeze).Stop()
	s.serving.Wait()
	return err
}
