package main

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
)

// A way goes from one process to the other, and back.
type way struct {
	io.Reader
	io.Writer
	closers []io.Closer
}

// The names of the ways, in the order in which both processes have them.
var wayNames = []string{"ring", "pipe", "unix socket"}

const ringWay = 0

func (w *way) close() (err error) {
	for _, c := range w.closers {
		err = errors.Join(err, c.Close())
	}
	return err
}

func closeWays(ways []*way) (err error) {
	for _, w := range ways {
		err = errors.Join(err, w.close())
	}
	return err
}

// A setup is the ways before there is a consumer.
type setup struct {
	down, up share
	ours     []*way     // all but the ring
	theirs   []*os.File // for the consumer, in the order of receiveWays
}

func newSetup(size int) (s *setup, err error) {
	s = new(setup)
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	for _, share := range []*share{&s.down, &s.up} {
		if err = share.create(size); err != nil {
			return s, err
		}
		files, err := share.files()
		if err != nil {
			return s, err
		}
		s.theirs = append(s.theirs, files...)
	}
	if err = s.addPipes(size); err != nil {
		return s, err
	}
	return s, s.addSocket()
}

func (s *setup) addPipes(size int) error {
	theirIn, ourOut, err := blockingPipe(size)
	if err != nil {
		return err
	}
	s.ours = append(s.ours, &way{Writer: ourOut, closers: []io.Closer{ourOut}})
	s.theirs = append(s.theirs, theirIn)
	ourIn, theirOut, err := blockingPipe(size)
	if err != nil {
		return err
	}
	w := s.ours[len(s.ours)-1]
	w.Reader, w.closers = ourIn, append(w.closers, ourIn)
	s.theirs = append(s.theirs, theirOut)
	return nil
}

// blockingPipe is os.Pipe, but neither of its ends goes through the runtime's poller:
// a thread blocks in the kernel, which is faster here. It holds size bytes where the
// system lets it.
func blockingPipe(size int) (r, w *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	_, _ = unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, size)
	return os.NewFile(uintptr(p[0]), "pipe"), os.NewFile(uintptr(p[1]), "pipe"), nil
}

// addSocket has it block, as the pipes do.
func (s *setup) addSocket() error {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	ours := os.NewFile(uintptr(p[0]), "socket")
	s.ours = append(s.ours, &way{ours, ours, []io.Closer{ours}})
	s.theirs = append(s.theirs, os.NewFile(uintptr(p[1]), "socket"))
	return nil
}

// ways returns the producer's ends.
func (s *setup) ways(consumer *pidfd.PidFD) ([]*way, error) {
	ring, err := ringOf(consumer, &s.down, &s.up)
	if err != nil {
		return nil, err
	}
	ways := append([]*way{ring}, s.ours...)
	s.ours = nil
	return ways, nil
}

// close closes what has not become a way.
func (s *setup) close() error {
	closeFiles(s.theirs)
	return errors.Join(s.down.close(), s.up.close(), closeWays(s.ours))
}

// ringOf returns the way that goes out by one ring and comes back by another.
func ringOf(peer *pidfd.PidFD, out, in *share) (*way, error) {
	w, err := out.writer(peer)
	if err != nil {
		return nil, err
	}
	r, err := in.reader(peer)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return &way{r, w, []io.Closer{w, r}}, nil
}

// receiveWays returns the consumer's ends, of the descriptors from that number on.
func receiveWays(producer *pidfd.PidFD, first int) (ways []*way, err error) {
	number := first - 1
	next := func() int { number++; return number }
	var down, up share
	defer func() { err = errors.Join(err, down.close(), up.close()) }() // what the ring has not taken
	for _, s := range []*share{&down, &up} {
		if err := s.receive(fd.New(next()), fd.New(next()), fd.New(next())); err != nil {
			return nil, err
		}
	}
	ring, err := ringOf(producer, &up, &down)
	if err != nil {
		return nil, err
	}
	in, out := os.NewFile(uintptr(next()), "pipe"), os.NewFile(uintptr(next()), "pipe")
	socket := os.NewFile(uintptr(next()), "socket")
	return []*way{ring, {in, out, []io.Closer{in, out}}, {socket, socket, []io.Closer{socket}}}, nil
}
