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

// connections is socketPair for those who need package net.
func connections() (a, b *net.UnixConn, err error) {
	x, y, err := socketPair(unix.O_NONBLOCK)
	if err != nil {
		return nil, nil, err
	}
	var conns [2]*net.UnixConn
	for i, end := range []*fd.FD{x, y} {
		file, err1 := end.File("connection")
		if err1 == nil {
			conn, err2 := net.FileConn(file)
			conns[i], _ = conn.(*net.UnixConn)
			err1 = errors.Join(err2, file.Close())
		}
		err = errors.Join(err, err1, end.Close())
	}
	if err != nil {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
		return nil, nil, err
	}
	return conns[0], conns[1], nil
}

// pass sends f through a socket, and returns what comes out at the other end:
// another descriptor for the same open file description.
func pass(f *fd.FD) (passed *fd.FD, err error) {
	a, b, err := socketPair(0)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	defer b.Close()
	file, err := f.File("passed")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	control := make([]byte, unix.CmsgSpace(4))
	var n int
	err = conn.Control(func(number uintptr) {
		if err = unix.Sendmsg(a.Fd(), []byte{0}, unix.UnixRights(int(number)), nil, 0); err == nil {
			_, n, _, _, err = unix.Recvmsg(b.Fd(), make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
		}
	})
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 {
		return nil, errors.New("no descriptor came out of the socket")
	}
	numbers, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return fd.New(numbers[0]), nil
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
