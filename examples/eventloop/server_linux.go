package main

import (
	"errors"
	"fmt"
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
	signals   *signalfd.SignalFD
	clients   map[*client]struct{}
	running   int // commands that run, or are being started
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
	return s, s.listen()
}

// serve serves until a signal has ended it.
func (s *server) serve() error {
	for !s.draining || len(s.clients) > 0 || s.running > 0 {
		if err := s.turn(); err != nil {
			return errors.Join(err, s.stop())
		}
	}
	return errors.Join(s.signals.Close(), s.loop.close())
}

// listen starts to accept clients. pause stops that for a while.
func (s *server) listen() (err error) {
	if s.listener.Valid() {
		s.listening, err = s.watch(s.listener, unix.POLLIN, s.accept)
	}
	return err
}

func (s *server) accept(uint32) error {
	number, _, err := unix.Accept4(s.listener.Fd(), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch err {
	case nil:
		if s.network == "tcp" {
			_ = unix.SetsockoptInt(number, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
		return s.welcome(fd.NewNonblock(number))
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		return s.pause()
	}
	return nil // the client is gone
}

// pause waits for free descriptors or memory. Clients wait in the queue meanwhile.
func (s *server) pause() error {
	err := s.unwatch(s.listening)
	s.listening = 0
	_, timerErr := s.after(100*time.Millisecond, s.listen)
	return errors.Join(err, timerErr)
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
	if s.listening != 0 {
		if err := s.unwatch(s.listening); err != nil {
			return err
		}
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
