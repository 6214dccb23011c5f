package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/fd"
)

// A connection has its number and, after it was waited on, a duplicate. The other
// descriptors are at most so many, those of a handover included.
const (
	connDescriptors = 2
	ownDescriptors  = 24
)

// A server counts for clients, with a goroutine for each.
type server struct {
	*options
	program  string // the file to run for a successor
	listener *fd.FD
	control  *fd.FD            // successors connect to it
	door     *net.UnixListener // a duplicate, which accepts them
	signals  chan os.Signal

	// The goroutines that serve hold running for reading, until ctx ends. A goroutine
	// that holds it for writing can read and change everything.
	running  sync.RWMutex
	ctx      context.Context
	pause    context.CancelFunc
	draining bool
	serving  sync.WaitGroup

	mu       sync.Mutex
	counters map[string]uint64
	conns    map[*conn]struct{}

	mostConns int
	freed     chan struct{} // receives when a connection has ended

	handing    chan struct{}   // holds a token while a handover is under way
	handedOver chan struct{}   // closed when a successor has taken over, and handing keeps its token
	stopping   context.Context // ends when a signal ends the server
	stop       context.CancelCauseFunc
}

// newServer opens what both a first server and a successor need. If it fails, the program
// ends.
func newServer(o *options) (*server, error) {
	s := &server{
		options: o, counters: make(map[string]uint64), conns: make(map[*conn]struct{}),
		handing: make(chan struct{}, 1), handedOver: make(chan struct{}),
		freed: make(chan struct{}, 1),
	}
	s.ctx, s.pause = context.WithCancel(context.Background())
	s.stopping, s.stop = context.WithCancelCause(context.Background())
	var err error
	// A successor runs the file that has this name by then.
	if s.program, err = os.Executable(); err != nil {
		return nil, err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	s.mostConns = max(1, int(min(limit.Cur, 1<<30)-min(limit.Cur, ownDescriptors))/connDescriptors)
	s.signals = make(chan os.Signal, 10)
	signal.Notify(s.signals, unix.SIGHUP, unix.SIGTERM, unix.SIGINT)
	return s, nil
}

// open returns a server that begins from nothing.
func open(o *options) (*server, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	if s.control, _, err = daemon.Listen("unixpacket", o.path); err != nil {
		if errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("%w: use -take if a server is there, and remove the file if there is none", err)
		}
		return nil, err
	}
	if err = s.openDoor(); err != nil {
		return nil, errors.Join(err, os.Remove(o.path))
	}
	if s.listener, o.address, err = daemon.Listen(o.network, o.address); err != nil {
		return nil, errors.Join(err, os.Remove(o.path))
	}
	// Connections inherit the option from the listening socket.
	_ = unix.SetsockoptInt(s.listener.Fd(), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	output.Printf("process %d serves %s", os.Getpid(), o.address)
	notify("READY=1")
	return s, nil
}

// run serves until a signal ends the server, or a successor has taken over.
func (s *server) run() error {
	s.mu.Lock()
	for c := range s.conns {
		s.serve(c)
	}
	s.mu.Unlock()
	s.serving.Go(s.accept)
	go s.meetAll()
	for {
		select {
		case <-s.handedOver:
			return nil
		case sig := <-s.signals:
			if sig != unix.SIGHUP {
				return s.drain()
			}
			if err := s.restart(); err != nil {
				complain(err)
			}
		}
	}
}

// freeze stops the goroutines that serve, between two requests or in the middle of one.
// thaw lets them go on.
func (s *server) freeze() {
	s.pause()
	s.running.Lock()
}

func (s *server) thaw() {
	s.ctx, s.pause = context.WithCancel(context.Background())
	s.running.Unlock()
}

// accept accepts connections until the server drains.
func (s *server) accept() {
	for {
		s.running.RLock()
		draining := s.draining
		if !draining {
			s.acceptUntil(s.ctx)
		}
		s.running.RUnlock()
		if draining {
			return
		}
	}
}

func (s *server) acceptUntil(ctx context.Context) {
	for ctx.Err() == nil {
		if !s.hasRoom() {
			select {
			case <-s.freed:
			case <-ctx.Done():
			}
			continue
		}
		switch f, err := fd.WaitRead(ctx, s.listener, s.acceptOne); {
		case err == nil:
			s.welcome(f)
		case isShortage(err):
			// Clients wait in the queue meanwhile.
			sleep(ctx, 100*time.Millisecond)
		}
	}
}

// hasRoom reports whether another connection can have all descriptors that it may need.
func (s *server) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns) < s.mostConns
}

func (s *server) acceptOne() (*fd.FD, error) {
	number, _, err := unix.Accept4(s.listener.Fd(), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch err {
	case nil:
		return fd.New(number), nil
	case unix.EAGAIN:
		return nil, fd.ErrWouldBlock
	}
	return nil, os.NewSyscallError("accept4", err)
}

func (s *server) welcome(f *fd.FD) {
	c := &conn{FD: f, Since: now()}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.serve(c)
}

// serve serves a connection to its end, in a goroutine.
func (s *server) serve(c *conn) {
	s.serving.Go(func() {
		for over := false; !over; {
			s.running.RLock()
			over = s.serveUntil(s.ctx, c) || s.draining
			if over {
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
				_ = c.Close()
				select {
				case s.freed <- struct{}{}:
				default: // accept will look
				}
			}
			s.running.RUnlock()
		}
	})
}

// drain ends the server when the requests that have come are answered.
func (s *server) drain() error {
	s.stop(errors.New("the server was told to end"))
	select {
	case <-s.handedOver:
		return nil
	case s.handing <- struct{}{}:
		<-s.handing // the last handover has failed
	}
	s.freeze()
	for s.hasRoom() {
		f, err := s.acceptOne()
		if err != nil {
			break
		}
		s.welcome(f)
	}
	// Once a socket is closed, its file may be another server's.
	err := remove(s.path)
	if s.network == "unix" {
		err = errors.Join(err, remove(s.address))
	}
	err = errors.Join(err, s.listener.Close(), s.control.Close(), s.door.Close())
	s.draining = true
	s.ctx, s.pause = context.WithTimeout(context.Background(), s.timeout)
	s.running.Unlock()
	s.serving.Wait()
	return err
}

// sleep returns after the time d, or when ctx has ended.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// remove removes the file of a socket, if it is still there.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
