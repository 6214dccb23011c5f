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
		{name: "1 MiB to another process", open: passWays, round: longRound},
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

// passWays give the receiver data that cannot change: a copy through a pipe, or a
// sealed file. The receiver reads every byte and answers.
func passWays(o *opened) ([]way, error) {
	pipeIn, pipeOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o.atEnd(pipeIn.Close)
	o.atEnd(pipeOut.Close)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	socket := pair[0]
	o.atEnd(func() error { return unix.Close(socket) })
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	o.atEnd(theirs.Close)
	if _, err := startChild(o, "receive", nil, theirs, pipeIn); err != nil {
		return nil, err
	}
	data := bytes.Repeat([]byte{1}, mebibyte)
	again, err := memfd.NewSealed("bench", data)
	if err != nil {
		return nil, err
	}
	o.atEnd(again.Close)
	return []way{
		timed("bytes over a pipe", times(func() error {
			if err := unix.Sendmsg(socket, []byte{byPipe}, nil, nil, 0); err != nil {
				return err
			}
			if _, err := pipeOut.Write(data); err != nil {
				return err
			}
			return answered(socket)
		})),
		timed("iofd memfd, sealed", times(func() error {
			m, err := memfd.NewSealed("bench", data)
			if err != nil {
				return err
			}
			return errors.Join(pass(socket, m), m.Close())
		})),
		timed("iofd memfd, the same again", times(func() error { return pass(socket, again) })),
		timed("x/sys/unix memfd, sealed", times(func() error {
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
			if err := unix.Sendmsg(socket, []byte{byUnix}, unix.UnixRights(number), nil, 0); err != nil {
				return err
			}
			return errors.Join(answered(socket), unix.Close(number))
		})),
	}, nil
}

// pass sends a file to the receiver.
func pass(socket int, m *memfd.MemFD) error {
	if err := unix.Sendmsg(socket, []byte{byMemfd}, unix.UnixRights(m.Fd()), nil, 0); err != nil {
		return err
	}
	return answered(socket)
}

// The first byte of a message tells the receiver which data follows.
const (
	byPipe byte = iota
	byMemfd
	byUnix
)

// sealed are the seals that the receiver requires.
const sealed = memfd.SealWrite | memfd.SealShrink | memfd.SealGrow

func answered(socket int) error {
	answer := make([]byte, 1)
	n, err := unix.Read(socket, answer)
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// receive is the other process. Descriptor 3 is the socket, and 4 is the pipe.
func receive() error {
	endWithInput()
	const socket = 3
	pipe := os.NewFile(4, "pipe")
	buf := make([]byte, mebibyte)
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
		case byMemfd:
			err = lookInto(number)
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

func lookInto(number int) error {
	m, err := memfd.FromFD(fd.New(number))
	if err != nil {
		return err
	}
	if seals, err := m.Seals(); err != nil || seals&sealed != sealed {
		return errors.Join(err, fmt.Errorf("received with seals %v", seals))
	}
	mapping, err := m.Map(0, mebibyte, memfd.ReadOnly)
	if err != nil {
		return err
	}
	return errors.Join(look(mapping.Bytes()), mapping.Close(), m.Close())
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
