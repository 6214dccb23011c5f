package main

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// pipe returns both ends of a pipe(7); flags are O_NONBLOCK or 0.
func pipe(flags int) (r, w *fd.FD, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], flags|unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return fd.New(p[0]), fd.New(p[1]), nil
}

// socketPair is pipe with stream sockets.
func socketPair(flags int) (a, b *fd.FD, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|flags|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return fd.New(p[0]), fd.New(p[1]), nil
}

// connections returns the ends of a stream, as package net has them.
func connections() (a, b *net.UnixConn, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	var ends [2]*net.UnixConn
	for i, number := range pair {
		file := os.NewFile(uintptr(number), "connection")
		conn, failed := net.FileConn(file) // of a duplicate
		err = errors.Join(err, failed, file.Close())
		ends[i], _ = conn.(*net.UnixConn)
	}
	if err != nil {
		return nil, nil, errors.Join(err, ends[0].Close(), ends[1].Close()) // they may be nil
	}
	return ends[0], ends[1], nil
}

// pass sends f through a socket, and returns the descriptor that is received: another
// one for the same open file description.
func pass(f *fd.FD) (passed *fd.FD, err error) {
	a, b, err := connections()
	if err != nil {
		return nil, err
	}
	defer a.Close()
	defer b.Close()
	if err := fd.Send(a, []byte{0}, f); err != nil {
		return nil, err
	}
	_, received, err := fd.Receive(b, make([]byte, 1), 1)
	if err == nil && len(received) != 1 {
		err = errors.New("no descriptor came out of the socket")
	}
	if err != nil {
		return nil, err
	}
	return received[0], nil
}

// A handle is what all handles are.
type handle[H any] interface {
	comparable
	FD() *fd.FD
	Dup() (H, error)
	Close() error
}

// another returns another handle for what h means: a duplicate, or one that has
// come through a socket.
func another[H handle[H]](h H, fromFD func(*fd.FD) (H, error)) (H, error) {
	if sometimes(2) {
		return h.Dup()
	}
	var none H
	passed, err := pass(h.FD())
	if err != nil {
		return none, err
	}
	received, err := fromFD(passed)
	if err != nil {
		return none, errors.Join(err, passed.Close())
	}
	return received, nil
}
