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
	"code.hybscloud.com/iofd/test/internal/try"
)

const mebibyte = 1 << 20

func mapWays(*opened) []way {
	data := make([]byte, mebibyte)
	return []way{
		each("x/sys/unix", func() {
			number := try.Get(unix.MemfdCreate("bench", unix.MFD_CLOEXEC))
			unixFill(number, data)
			try.Check(unix.Close(number))
		}),
		each("iofd memfd", func() {
			m := try.Get(memfd.New("bench"))
			fill(m, data, mebibyte)
			try.Check(m.Close())
		}),
		each("temporary file", func() {
			file := try.Get(os.CreateTemp("", "iofd-bench-"))
			unixFill(int(file.Fd()), data)
			try.Check(errors.Join(file.Close(), os.Remove(file.Name())))
		}),
	}
}

func unixFill(number int, data []byte) {
	try.Check(unix.Ftruncate(number, int64(len(data))))
	mapping := try.Get(unix.Mmap(number, 0, len(data), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED))
	copy(mapping, data)
	try.Check(unix.Munmap(mapping))
}

// fill makes a file of size bytes that begins with the data.
func fill(m *memfd.MemFD, data []byte, size int) {
	try.Check(m.Truncate(int64(size)))
	mapping := try.Get(m.Map(0, size, memfd.ReadWrite))
	copy(mapping.Bytes(), data)
	try.Check(mapping.Close())
}

// passWays give each receiver data of 1 MiB: a copy through a pipe, or a file. A
// receiver reads every byte and answers.
func passWays(receivers int) func(o *opened) []way {
	return func(o *opened) []way {
		to := make([]peer, receivers)
		for i := range to {
			to[i] = startPeer(o)
		}
		data := bytes.Repeat([]byte{1}, mebibyte)
		again := closing(o, try.Get(memfd.NewSealed("bench", data)))
		kept := closing(o, try.Get(memfd.New("bench")))
		fill(kept, data, mebibyte)
		pass(to, keep, kept.Fd())
		// sends makes a file for each time. The receivers get it, and have closed it afterwards.
		sends := func(name string, how byte, create func([]byte) *memfd.MemFD) way {
			return each(name, func() {
				m := create(data)
				pass(to, how, m.Fd())
				try.Check(m.Close())
			})
		}
		refills := func(name string, how byte) way {
			return each(name, func() {
				try.Get(kept.WriteAt(data, 0))
				pass(to, how, -1)
			})
		}
		name := "bytes over a pipe"
		if receivers > 1 {
			name = fmt.Sprintf("bytes over %d pipes", receivers)
		}
		newSealed := func(data []byte) *memfd.MemFD { return try.Get(memfd.NewSealed("bench", data)) }
		ways := []way{
			each(name, func() {
				for _, p := range to {
					p.send(byPipe, nil)
					try.Get(p.pipe.Write(data))
				}
				answered(to)
			}),
			sends("iofd memfd, sealed", byMap, newSealed),
			sends("iofd memfd, sealed, Populate", byPopulate, newSealed),
			sends("iofd memfd, sealed, ReadAt", byRead, newSealed),
			refills("iofd memfd, filled again, mapped", byKeptMap),
			refills("iofd memfd, filled again, ReadAt", byKeptRead),
			each("iofd memfd, the same again", func() { pass(to, byMap, again.Fd()) }),
			each("x/sys/unix memfd, sealed", func() {
				number := unixSealed(data)
				pass(to, byUnix, number)
				try.Check(unix.Close(number))
			}),
		}
		if err := try.Run(func() { closing(o, newHuge(data)) }); err != nil {
			o.note("huge pages are left out: %v", err)
			return ways
		}
		return append(ways, sends("iofd memfd, huge pages, sealed", byMap, newHuge))
	}
}

// newHuge makes a sealed file of huge pages, which write(2) cannot fill.
func newHuge(data []byte) *memfd.MemFD {
	const page = 2 << 20
	m := try.Get(memfd.New("bench", memfd.AllowSealing, memfd.HugeTLB(page)))
	err := try.Run(func() {
		fill(m, data, page)
		try.Check(m.Seal(sealed))
	})
	if err != nil {
		try.Check(errors.Join(err, m.Close()))
	}
	return m
}

func unixSealed(data []byte) (number int) {
	number = try.Get(unix.MemfdCreate("bench", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING))
	size(len(data)).check(unix.Write(number, data))
	try.Get(unix.FcntlInt(uintptr(number), unix.F_ADD_SEALS, int(sealed)|unix.F_SEAL_SEAL))
	return number
}

// A peer is a receiver, at the other end of a socket and a pipe.
type peer struct {
	socket int
	pipe   *os.File
}

func startPeer(o *opened) peer {
	pipeIn, pipeOut := o.pipe()
	pair := try.Get(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	o.atEnd(func() error { return unix.Close(pair[0]) })
	theirs := closing(o, os.NewFile(uintptr(pair[1]), "socket"))
	startChild(o, "receive", "", []*os.File{theirs, pipeIn})
	return peer{pair[0], pipeOut}
}

func (p peer) send(how byte, rights []byte) {
	try.Check(unix.Sendmsg(p.socket, []byte{how}, rights, nil, 0))
}

// pass sends a byte to each receiver, with a descriptor unless number is -1. It returns
// when all have answered.
func pass(to []peer, how byte, number int) {
	var rights []byte
	if number >= 0 {
		rights = unix.UnixRights(number)
	}
	for _, p := range to {
		p.send(how, rights)
	}
	answered(to)
}

func answered(to []peer) {
	for _, p := range to {
		if try.Get(unix.Read(p.socket, make([]byte, 1))) == 0 {
			try.Check(io.ErrUnexpectedEOF)
		}
	}
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
func receive() {
	endWithInput()
	const socket = 3
	pipe := os.NewFile(4, "pipe")
	buf := make([]byte, mebibyte)
	var kept *memfd.MemFD
	var mapping *memfd.Mapping
	for {
		how, number, err := receiveRights(socket)
		if err == io.EOF {
			return
		}
		try.Check(err)
		switch how {
		case byPipe:
			try.Get(io.ReadFull(pipe, buf))
			look(buf)
		case byMap, byPopulate, byRead:
			lookInto(number, how, buf)
		case keep:
			kept = try.Get(memfd.FromFD(fd.New(number)))
			mapping = try.Get(kept.Map(0, mebibyte, memfd.ReadOnly))
		case byKeptMap:
			look(mapping.Bytes())
		case byKeptRead:
			lookAt(kept, buf)
		case byUnix:
			unixLookInto(number)
		}
		try.Get(unix.Write(socket, []byte{0}))
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
	messages := try.Get(unix.ParseSocketControlMessage(oob[:oobn]))
	return b[0], try.Get(unix.ParseUnixRights(&messages[0]))[0], nil
}

func look(p []byte) {
	if i := bytes.IndexByte(p, 0); i >= 0 || len(p) != mebibyte {
		try.Check(fmt.Errorf("received %d bytes, with a 0 at %d", len(p), i))
	}
}

// lookAt looks at a copy, which a program needs if the file may change meanwhile.
func lookAt(m *memfd.MemFD, buf []byte) {
	try.Get(m.ReadAt(buf, 0))
	look(buf)
}

func lookInto(number int, how byte, buf []byte) {
	m := try.Get(memfd.FromFD(fd.New(number)))
	if seals := try.Get(m.Seals()); seals&sealed != sealed {
		try.Check(fmt.Errorf("received with seals %v", seals))
	}
	if how == byRead {
		lookAt(m, buf)
	} else {
		mapping := try.Get(m.Map(0, mebibyte, memfd.ReadOnly))
		if how == byPopulate {
			try.Check(mapping.Advise(memfd.Populate))
		}
		look(mapping.Bytes())
		try.Check(mapping.Close())
	}
	try.Check(m.Close())
}

func unixLookInto(number int) {
	if seals := try.Get(unix.FcntlInt(uintptr(number), unix.F_GET_SEALS, 0)); memfd.Seal(seals)&sealed != sealed {
		try.Check(fmt.Errorf("received with seals %#x", seals))
	}
	mapping := try.Get(unix.Mmap(number, 0, mebibyte, unix.PROT_READ, unix.MAP_SHARED))
	look(mapping)
	try.Check(errors.Join(unix.Munmap(mapping), unix.Close(number)))
}
