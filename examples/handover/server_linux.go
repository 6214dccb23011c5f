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

	"code.hybscloud.com/iofd/fd"
)

// A server counts for clients, a goroutine for each.
type server struct {
	*options
	program  string // the file to run for a successor
	listener *fd.FD
	control  *fd.FD            // where successors connect to
	door     *net.UnixListener // the same, to accept them
	signals  chan os.Signal

	// All that serves holds running for reading, and lets it go when ctx has ended:
	// whoever holds it for writing finds the server between two instants.
	running  sync.RWMutex
	ctx      context.Context
	pause    context.CancelFunc
	draining bool
	serving  sync.WaitGroup

	mu       sync.Mutex
	counters map[string]uint64
	conns    map[*conn]struct{}

	handing    chan struct{}   // holds a token while a handover is under way
	handedOver chan struct{}   // closed when a successor has it all, in place of taking the token back
	stopping   context.Context // ends when we were told to end
	stop       context.CancelCauseFunc
}

// newServer opens what every server has, old or new. Should that fail, the program
// ends, and closes what was opened.
func newServer(o *options) (*server, error) {
	s := &server{
		options: o, counters: make(map[string]uint64), conns: make(map[*conn]struct{}),
		handing: make(chan struct{}, 1), handedOver: make(chan struct{}),
	}
	s.ctx, s.pause = context.WithCancel(context.Background())
	s.stopping, s.stop = context.WithCancelCause(context.Background())
	var err error
	// What is there by this name when a successor is started may be another file.
	if s.program, err = os.Executable(); err != nil {
		return nil, err
	}
	// Of signals there is nothing to know but that they came, so package os does.
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
	if s.control, _, err = listen("unixpacket", o.path); err != nil {
		if errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("%w: use -take if a server is there, and remove the file if there is none", err)
		}
		return nil, err
	}
	if s.door, err = door(s.control); err != nil {
		return nil, errors.Join(err, os.Remove(o.path))
	}
	if s.listener, o.address, err = listen(o.network, o.address); err != nil {
		return nil, errors.Join(err, os.Remove(o.path))
	}
	// Connections have it from the listening socket.
	_ = unix.SetsockoptInt(s.listener.Fd(), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	fmt.Printf("process %d serves %s\n", os.Getpid(), o.address)
	notify("READY=1")
	return s, nil
}

// listen opens a listening socket, and says where it is.
func listen(network, address string) (*fd.FD, string, error) {
	// The file of a Unix socket is for us alone.
	defer unix.Umask(unix.Umask(0o077))
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, "", err
	}
	defer l.Close()
	if l, ok := l.(*net.UnixListener); ok {
		l.SetUnlinkOnClose(false)
	}
	file, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	f, err := fd.FromFile(file)
	return f, l.Addr().String(), err
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
			s.restart()
		}
	}
}

// freeze stops all that serves, between two requests or in the middle of one; thaw has
// it go on.
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
		switch f, err := fd.WaitRead(ctx, s.listener, s.acceptOne); {
		case err == nil:
			s.welcome(f)
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE),
			errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
			// Who wants to connect waits until what is used up comes back.
			sleep(ctx, 100*time.Millisecond)
		}
	}
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
	c := &conn{FD: f}
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
			}
			s.running.RUnlock()
		}
	})
}

// drain ends the server once those are answered who have sent a request.
func (s *server) drain() error {
	s.stop(errors.New("the server was told to end"))
	select {
	case <-s.handedOver:
		return nil
	case s.handing <- struct{}{}:
		<-s.handing // the last handover has failed
	}
	s.freeze()
	for f, err := s.acceptOne(); err == nil; f, err = s.acceptOne() {
		s.welcome(f)
	}
	err := errors.Join(s.listener.Close(), s.control.Close(), s.door.Close(), remove(s.path))
	if s.network == "unix" {
		err = errors.Join(err, remove(s.address))
	}
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
