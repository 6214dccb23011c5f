package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

// A server runs commands for clients.
type server struct {
	*options
	*loop

	listener  *fd.FD
	listening uint64 // the watch, 0 while there is none
	room      int    // descriptors for clients and jobs
	signals   *signalfd.SignalFD
	clients   map[*client]struct{}
	running   int  // commands that run, or are being started
	starting  int  // those of them that are being started
	paused    bool // the system lacks descriptors or memory
	draining  bool
	record    record
}

// A record counts what was done.
type record struct {
	began                   time.Time
	clients, requests, jobs int
}

// newServer opens all that the server waits for. If it fails, the program ends.
func newServer(o *options) (*server, error) {
	s := &server{options: o, clients: make(map[*client]struct{}), record: record{began: time.Now()}}
	var err error
	if s.loop, err = newLoop(o.engine); err != nil {
		return nil, err
	}
	if s.signals, err = signalfd.New(signalfd.NewSet(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)); err != nil {
		return nil, err
	}
	if _, err = s.watch(s.signals.FD(), unix.POLLIN, s.signalled); err != nil {
		return nil, err
	}
	if s.listener, s.address, err = daemon.Listen(o.network, o.address); err != nil {
		return nil, err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	// The kernel gives the lowest free number, so those below the listener's are in use.
	s.room = int(min(limit.Cur, math.MaxInt32)) - s.listener.Fd() - 1
	if !s.hasRoom() {
		return nil, fmt.Errorf("the limit of %d descriptors leaves none for a client, see ulimit -n", limit.Cur)
	}
	return s, s.listen()
}

// serve serves until a signal has ended it.
func (s *server) serve() error {
	for !s.draining || len(s.clients) > 0 || s.running > 0 {
		if err := errors.Join(s.turn(), s.listen()); err != nil {
			return errors.Join(err, s.stop())
		}
	}
	return errors.Join(s.signals.Close(), s.loop.close())
}

// listen begins or ends to watch the listener. Clients wait in its queue if there is no room.
func (s *server) listen() (err error) {
	switch accept := !s.draining && !s.paused && s.hasRoom(); {
	case accept && s.listening == 0:
		s.listening, err = s.watch(s.listener, unix.POLLIN, s.accept)
	case !accept && s.listening != 0:
		err = s.unwatch(s.listening)
		s.listening = 0
	}
	return err
}

// The descriptors of a job: a pipe and a pidfd, and more in package os/exec to start it.
const (
	jobDescriptors   = 2
	startDescriptors = 8
)

// hasRoom reports whether a client, and after it a job, can have descriptors.
func (s *server) hasRoom() bool { return s.descriptors()+startDescriptors < s.room }

// descriptors returns how many the clients and their jobs have.
func (s *server) descriptors() int {
	return len(s.clients) + jobDescriptors*(s.running-s.starting) + startDescriptors*s.starting
}

func (s *server) accept(uint32) error {
	if !s.hasRoom() {
		return nil // a job has begun in this turn
	}
	number, _, err := unix.Accept4(s.listener.Fd(), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch err {
	case nil:
		if s.network == "tcp" {
			_ = unix.SetsockoptInt(number, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
		return s.welcome(fd.NewNonblock(number))
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		s.paused = true
		_, err := s.after(100*time.Millisecond, func() error { s.paused = false; return nil })
		return err
	}
	return nil // the client is gone
}

func (s *server) signalled(uint32) error {
	info, err := s.signals.Read()
	switch {
	case err != nil:
		return unless(err, fd.ErrWouldBlock)
	case info.Signal == unix.SIGHUP:
		output.Printf("%s", s.stats())
		return nil
	case s.draining:
		return s.stop()
	}
	return s.drain()
}

// drain ends each connection when the requests of the client are done, or after grace.
func (s *server) drain() error {
	s.draining = true
	if err := s.listen(); err != nil {
		return err
	}
	// Once the listener is closed, the file may be another server's.
	if s.network == "unix" {
		_ = os.Remove(s.address)
	}
	_ = s.listener.Close()
	for c := range s.clients {
		c.quitting = true
		if err := c.proceed(); err != nil {
			return err
		}
	}
	_, err := s.after(s.grace, s.stop)
	return err
}

// stop hangs up on all clients, which kills their jobs.
func (s *server) stop() error {
	var errs []error
	for c := range s.clients {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

func (s *server) stats() string {
	return fmt.Sprintf("engine=%s uptime=%s clients=%d/%d requests=%d jobs=%d/%d timers=%d",
		s.engine, time.Since(s.record.began).Round(time.Millisecond), len(s.clients), s.record.clients,
		s.record.requests, s.running, s.record.jobs, len(s.queue))
}
