package main

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A pair opens two ends: a pipe(7), or stream sockets. The flags are O_NONBLOCK or 0.
type pair func(flags int) (r, w *fd.FD, err error)

func pipe(flags int) (r, w *fd.FD, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], flags|unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return fd.New(p[0]), fd.New(p[1]), nil
}

func socketPair(flags int) (r, w *fd.FD, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|flags|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return fd.New(p[0]), fd.New(p[1]), nil
}

// connections returns the ends of a stream for functions that send descriptors.
func connections() (a, b *net.UnixConn, err error) {
	numbers, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	var ends [2]*net.UnixConn
	for i, number := range numbers {
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

// another returns another handle for the same object: a duplicate, or one that has come
// through a socket.
func another[H any](dup func() (H, error), f *fd.FD, fromFD func(*fd.FD) (H, error)) (H, error) {
	if sometimes(2) {
		return dup()
	}
	passed, err := pass(f)
	if err != nil {
		var none H
		return none, err
	}
	received, err := fromFD(passed)
	if err != nil {
		err = errors.Join(err, passed.Close())
	}
	return received, err
}
