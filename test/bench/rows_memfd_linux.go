package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
)

func memfdRows() []row {
	return []row{
		{name: "1 MiB: create, map, fill, close", open: mapWays},
		{name: "1 MiB to another process", open: passWays(1), round: longRound},
		{name: "1 MiB to 4 processes", open: passWays(4), round: longRound},
	}
}

const mebibyte = 1 << 20

func mapWays(*opened) ([]way, error) {
	data := make([]byte, mebibyte)
	return []way{
		timed("x/sys/unix", times(func() error {
			number, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC)
			if err != nil {
				return err
			}
			return errors.Join(unixFill(number, data), unix.Close(number))
		})),
		timed("iofd memfd", times(func() error {
			m, err := memfd.New("bench")
			if err != nil {
				return err
			}
			return errors.Join(fill(m, data), m.Close())
		})),
		timed("temporary file", times(func() error {
			file, err := os.CreateTemp("", "iofd-bench-")
			if err != nil {
				return err
			}
			return errors.Join(unixFill(int(file.Fd()), data), file.Close(), os.Remove(file.Name()))
		})),
	}, nil
}

func unixFill(number int, data []byte) error {
	if err := unix.Ftruncate(number, int64(len(data))); err != nil {
		return err
	}
	mapping, err := unix.Mmap(number, 0, len(data), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(mapping, data)
	return unix.Munmap(mapping)
}

func fill(m *memfd.MemFD, data []byte) error {
	if err := m.Truncate(int64(len(data))); err != nil {
		return err
	}
	mapping, err := m.Map(0, len(data), memfd.ReadWrite)
	if err != nil {
		return err
	}
	copy(mapping.Bytes(), data)
	return mapping.Close()
}

// passWays give each receiver data of 1 MiB: a copy through a pipe, or a file. A
// receiver reads every byte and answers.
func passWays(receivers int) func(o *opened) ([]way, error) {
	return func(o *opened) ([]way, error) {
		var to peers
		for range receivers {
			if err := to.start(o); err != nil {
				return nil, err
			}
		}
		data := bytes.Repeat([]byte{1}, mebibyte)
		again, err := memfd.NewSealed("bench", data)
		if err != nil {
			return nil, err
		}
		o.atEnd(again.Close)
		kept, err := memfd.New("bench")
		if err != nil {
			return nil, err
		}
		o.atEnd(kept.Close)
		if err := errors.Join(fill(kept, data), to.pass(keep, kept.Fd())); err != nil {
			return nil, err
		}
		// sends makes a file for each time. The receivers get it, and have closed it afterwards.
		sends := func(how byte, create func([]byte) (*memfd.MemFD, error)) func(int) error {
			return times(func() error {
				m, err := create(data)
				if err != nil {
					return err
				}
				return errors.Join(to.pass(how, m.Fd()), m.Close())
			})
		}
		refills := func(how byte) func(int) error {
			return times(func() error {
				if _, err := kept.WriteAt(data, 0); err != nil {
					return err
				}
				return to.pass(how, -1)
			})
		}
		name := "bytes over a pipe"
		if receivers > 1 {
			name = fmt.Sprintf("bytes over %d pipes", receivers)
		}
		newSealed := func(data []byte) (*memfd.MemFD, error) { return memfd.NewSealed("bench", data) }
		ways := []way{
			timed(name, times(func() error { return to.write(data) })),
			timed("iofd memfd, sealed", sends(byMap, newSealed)),
			timed("iofd memfd, sealed, Populate", sends(byPopulate, newSealed)),
			timed("iofd memfd, sealed, ReadAt", sends(byRead, newSealed)),
			timed("iofd memfd, filled again, mapped", refills(byKeptMap)),
			timed("iofd memfd, filled again, ReadAt", refills(byKeptRead)),
			timed("iofd memfd, the same again", times(func() error { return to.pass(byMap, again.Fd()) })),
			timed("x/sys/unix memfd, sealed", times(func() error { return to.unixPass(data) })),
		}
		if m, err := newHuge(data); err != nil {
			o.note("huge pages are left out: %v", err)
		} else {
			o.atEnd(m.Close)
			ways = append(ways, timed("iofd memfd, huge pages, sealed", sends(byMap, newHuge)))
		}
		return ways, nil
	}
}

// newHuge makes a sealed file of huge pages, which write(2) cannot fill.
func newHuge(data []byte) (*memfd.MemFD, error) {
	const page = 2 << 20
	m, err := memfd.New("bench", memfd.AllowSealing, memfd.HugeTLB(page))
	if err != nil {
		return nil, err
	}
	mapping, err := func() (*memfd.Mapping, error) {
		if err := m.Truncate(page); err != nil {
			return nil, err
		}
		return m.Map(0, page, memfd.ReadWrite)
	}()
	if err == nil {
		copy(mapping.Bytes(), data)
		err = errors.Join(mapping.Close(), m.Seal(sealed))
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// peers are the receivers, at the other end of a socket and a pipe each.
type peers []struct {
	socket int
	pipe   *os.File
}

func (to *peers) start(o *opened) error {
	pipeIn, pipeOut, err := os.Pipe()
	if err != nil {
		return err
	}
	o.atEnd(pipeOut.Close)
	defer pipeIn.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	o.atEnd(func() error { return unix.Close(pair[0]) })
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	defer theirs.Close()
	if _, err := startChild(o, "receive", nil, theirs, pipeIn); err != nil {
		return err
	}
	*to = append(*to, struct {
		socket int
		pipe   *os.File
	}{pair[0], pipeOut})
	return nil
}

// pass sends a byte to each receiver, with a descriptor unless number is -1.
func (to peers) pass(how byte, number int) error {
	var rights []byte
	if number >= 0 {
		rights = unix.UnixRights(number)
	}
	for _, p := range to {
		if err := unix.Sendmsg(p.socket, []byte{how}, rights, nil, 0); err != nil {
			return err
		}
	}
	return to.answered()
}

func (to peers) write(data []byte) error {
	for _, p := range to {
		if err := unix.Sendmsg(p.socket, []byte{byPipe}, nil, nil, 0); err != nil {
			return err
		}
		if _, err := p.pipe.Write(data); err != nil {
			return err
		}
	}
	return to.answered()
}

func (to peers) unixPass(data []byte) error {
	number, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	if n, err := unix.Write(number, data); err != nil || n != len(data) {
		return errors.Join(err, errShort)
	}
	if _, err := unix.FcntlInt(uintptr(number), unix.F_ADD_SEALS, int(sealed)|unix.F_SEAL_SEAL); err != nil {
		return err
	}
	return errors.Join(to.pass(byUnix, number), unix.Close(number))
}

func (to peers) answered() error {
	var errs []error
	for _, p := range to {
		n, err := unix.Read(p.socket, make([]byte, 1))
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// The first byte of a message tells the receiver which data follows.
const (
	byPipe     byte = iota
	byMap           // a sealed file, to map
	byPopulate      // a sealed file, to map with Populate
	byRead          // a sealed file, to copy with ReadAt
	byUnix          // a sealed file, to map without the library
	keep            // a file to keep, whose content changes
	byKeptMap       // the file that was kept, by its mapping
	byKeptRead      // the file that was kept, to copy with ReadAt
)

// sealed are the seals that the receiver requires.
const sealed = memfd.SealWrite | memfd.SealShrink | memfd.SealGrow

// receive is the other process. Descriptor 3 is the socket, and 4 is the pipe.
func receive() error {
	endWithInput()
	const socket = 3
	pipe := os.NewFile(4, "pipe")
	buf := make([]byte, mebibyte)
	var kept *memfd.MemFD
	var mapping *memfd.Mapping
	for {
		how, number, err := receiveRights(socket)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		switch how {
		case byPipe:
			if _, err = io.ReadFull(pipe, buf); err == nil {
				err = look(buf)
			}
		case byMap, byPopulate, byRead:
			err = lookInto(number, how, buf)
		case keep:
			if kept, err = memfd.FromFD(fd.New(number)); err == nil {
				mapping, err = kept.Map(0, mebibyte, memfd.ReadOnly)
			}
		case byKeptMap:
			err = look(mapping.Bytes())
		case byKeptRead:
			err = lookAt(kept, buf)
		case byUnix:
			err = unixLookInto(number)
		}
		if err != nil {
			return err
		}
		if _, err := unix.Write(socket, []byte{0}); err != nil {
			return err
		}
	}
}

func receiveRights(socket int) (how byte, number int, err error) {
	b, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(socket, b, oob, unix.MSG_CMSG_CLOEXEC)
	switch {
	case err != nil:
		return 0, -1, err
	case n == 0:
		return 0, -1, io.EOF
	case oobn == 0:
		return b[0], -1, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return 0, -1, err
	}
	numbers, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, -1, err
	}
	return b[0], numbers[0], nil
}

func look(p []byte) error {
	if i := bytes.IndexByte(p, 0); i >= 0 || len(p) != mebibyte {
		return fmt.Errorf("received %d bytes, with a 0 at %d", len(p), i)
	}
	return nil
}

// lookAt looks at a copy, which a program needs if the file may change meanwhile.
func lookAt(m *memfd.MemFD, buf []byte) error {
	if _, err := m.ReadAt(buf, 0); err != nil {
		return err
	}
	return look(buf)
}

func lookInto(number int, how byte, buf []byte) error {
	m, err := memfd.FromFD(fd.New(number))
	if err != nil {
		return err
	}
	if seals, err := m.Seals(); err != nil || seals&sealed != sealed {
		return errors.Join(err, fmt.Errorf("received with seals %v", seals))
	}
	if how == byRead {
		return errors.Join(lookAt(m, buf), m.Close())
	}
	mapping, err := m.Map(0, mebibyte, memfd.ReadOnly)
	if err != nil {
		return err
	}
	if how == byPopulate {
		err = mapping.Advise(memfd.Populate)
	}
	return errors.Join(err, look(mapping.Bytes()), mapping.Close(), m.Close())
}

func unixLookInto(number int) error {
	if seals, err := unix.FcntlInt(uintptr(number), unix.F_GET_SEALS, 0); err != nil || memfd.Seal(seals)&sealed != sealed {
		return errors.Join(err, fmt.Errorf("received with seals %#x", seals))
	}
	mapping, err := unix.Mmap(number, 0, mebibyte, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	return errors.Join(look(mapping), unix.Munmap(mapping), unix.Close(number))
}
