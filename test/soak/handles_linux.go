package main

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/test/internal/try"
)

// ends are two descriptors. The bytes written to w can be read from r.
type ends struct{ r, w *fd.FD }

func (e ends) Close() error { return errors.Join(e.r.Close(), e.w.Close()) }

// pipe opens both ends of a pipe(7); flags are O_NONBLOCK or 0.
func pipe(flags int) ends {
	var p [2]int
	try.Check(os.NewSyscallError("pipe2", unix.Pipe2(p[:], flags|unix.O_CLOEXEC)))
	return ends{fd.New(p[0]), fd.New(p[1])}
}

// socketPair is pipe with stream sockets.
func socketPair(flags int) ends {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|flags|unix.SOCK_CLOEXEC, 0)
	try.Check(os.NewSyscallError("socketpair", err))
	return ends{fd.New(p[0]), fd.New(p[1])}
}

// connections returns the ends of a stream for functions that send descriptors.
func connections() (a, b *net.UnixConn) {
	e := socketPair(0)
	defer e.Close()
	connection := func(f *fd.FD) *net.UnixConn {
		file := try.Get(f.File("connection"))
		defer file.Close()
		return try.Get(net.FileConn(file)).(*net.UnixConn) // of a duplicate
	}
	return connection(e.r), connection(e.w)
}

// pass sends f through a socket, and returns the descriptor that is received: another
// one for the same open file description.
func pass(f *fd.FD) *fd.FD {
	a, b := connections()
	defer a.Close()
	defer b.Close()
	try.Check(fd.Send(a, []byte{0}, f))
	_, received, err := fd.Receive(b, make([]byte, 1), 1)
	if err == nil && len(received) != 1 {
		err = errors.New("no descriptor came out of the socket")
	}
	try.Check(err)
	return received[0]
}

// another returns another handle for the same object: a duplicate, or one that has come
// through a socket.
func another[H any](dup func() (H, error), f *fd.FD, fromFD func(*fd.FD) (H, error)) H {
	if sometimes(2) {
		return try.Get(dup())
	}
	return try.Get(fromFD(pass(f)))
}
