package main

import (
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

	began time.Time
	done  struct{ clients, requests, jobs int }
}

// newServer opens all that the server waits for. If it fails, the program ends.
func newServer(o *options) (s *server, err error) {
	s = &server{options: o, clients: make(map[*client]struct{}), began: time.Now()}
	if s.loop, err = newLoop(o.engine); err != nil {
		return nil, err
	}
	if s.signals, err = signalfd.New(signalfd.NewSet(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)); err != nil {
		return nil, err
	}
	s.watch(s.signals.FD(), unix.POLLIN, s.signalled)
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
	s.listen()
	return s, s.err
}

// serve serves until a signal has ended it. The signals stay captured until the process has
// ended, because a late one must not change its exit status.
func (s *server) serve() error {
	for !s.draining || len(s.clients) > 0 || s.running > 0 {
		if err := s.turn(); err != nil {
			s.stop()
			return err
		}
		s.listen()
	}
	return nil
}

// listen begins or ends to watch the listener. Clients wait in its queue if there is no room.
func (s *server) listen() {
	if s.draining || s.paused || !s.hasRoom() {
		s.unwatch(&s.listening)
	} else if s.listening == 0 {
		s.listening = s.watch(s.listener, unix.POLLIN, s.accept)
	}
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

func (s *server) accept(uint32) {
	if !s.hasRoom() {
		return // a job has begun in this turn
	}
	number, _, err := unix.Accept4(s.listener.Fd(), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch err {
	case nil:
		if s.network == "tcp" {
			_ = unix.SetsockoptInt(number, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
		s.welcome(fd.NewNonblock(number))
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		s.paused = true
		s.after(100*time.Millisecond, func() { s.paused = false })
	} // else the client is gone
}

func (s *server) signalled(uint32) {
	info, err := s.signals.Read()
	switch {
	case err == fd.ErrWouldBlock:
	case err != nil:
		s.fail(err)
	case info.Signal == unix.SIGHUP:
		daemon.Output.Printf("%s", s.stats())
	case s.draining:
		s.stop()
	default:
		s.drain()
	}
}

// drain ends each connection when the requests of the client are done, or after grace.
func (s *server) drain() {
	s.draining = true
	s.listen()
	// Once the listener is closed, the file may be another server's.
	if s.network == "unix" {
		_ = os.Remove(s.address)
	}
	_ = s.listener.Close()
	for c := range s.clients {
		c.quitting = true
		c.proceed()
	}
	s.after(s.grace, s.stop)
}

// stop hangs up on all clients, which kills their jobs.
func (s *server) stop() {
	for c := range s.clients {
		c.close()
	}
}

func (s *server) stats() string {
	return fmt.Sprintf("engine=%s uptime=%s clients=%d/%d requests=%d jobs=%d/%d timers=%d",
		s.engine, time.Since(s.began).Round(time.Millisecond), len(s.clients), s.done.clients,
		s.done.requests, s.running, s.done.jobs, len(s.timers))
}
