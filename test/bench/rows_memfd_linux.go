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

func sealWays(*opened) []way {
	data := make([]byte, mebibyte)
	return []way{
		each("x/sys/unix", func() { try.Check(unix.Close(unixSealed(data))) }),
		each("iofd memfd", func() { try.Check(newSealed(data).Close()) }),
		each("temporary file", func() {
			file := try.Get(os.CreateTemp("", "iofd-bench-"))
			size(mebibyte).check(file.Write(data))
			try.Check(errors.Join(file.Close(), os.Remove(file.Name())))
		}),
	}
}

// A peer is a receiver. Its standard input has commands and bytes, and its socket has
// descriptors and answers.
type peer struct {
	in     io.Writer
	socket int
}

func startPeer(o *opened) peer {
	pair := try.Get(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	o.atEnd(func() error { return unix.Close(pair[0]) })
	theirs := closing(o, os.NewFile(uintptr(pair[1]), "socket"))
	return peer{startChild(o, "receive", "", theirs), pair[0]}
}

// passWays give each receiver data of 1 MiB: a copy through a pipe, in the way of the
// given name, or a file. A receiver reads every byte and answers.
func passWays(receivers int, copied string) func(o *opened) []way {
	return func(o *opened) []way {
		to := make([]peer, receivers)
		for i := range to {
			to[i] = startPeer(o)
		}
		// pass returns when all have answered. The number may be -1.
		pass := func(how byte, number int, bytes []byte) {
			command := []byte{how}
			for _, p := range to {
				if number >= 0 {
					try.Check(unix.Sendmsg(p.socket, command, unix.UnixRights(number), nil, 0))
				}
				try.Get(p.in.Write(command))
				if bytes != nil {
					try.Get(p.in.Write(bytes))
				}
			}
			for _, p := range to {
				size(1).check(unix.Read(p.socket, command))
			}
		}
		// sends makes a file for each time. The receivers get it, and have closed it afterwards.
		data := bytes.Repeat([]byte{1}, mebibyte)
		sends := func(name string, how byte, create func([]byte) *memfd.MemFD) way {
			return each(name, func() {
				m := create(data)
				pass(how, m.Fd(), nil)
				try.Check(m.Close())
			})
		}
		kept := closing(o, try.Get(memfd.New("bench")))
		size(mebibyte).check(kept.WriteAt(data, 0))
		pass(keep, kept.Fd(), nil)
		refills := func(name string, how byte) way {
			return each(name, func() {
				size(mebibyte).check(kept.WriteAt(data, 0))
				pass(how, -1, nil)
			})
		}
		again := closing(o, newSealed(data))
		ways := []way{
			each(copied, func() { pass(byPipe, -1, data) }),
			sends("iofd memfd, sealed", byMap, newSealed),
			sends("iofd memfd, sealed, Populate", byPopulate, newSealed),
			sends("iofd memfd, sealed, ReadAt", byRead, newSealed),
			refills("iofd memfd, filled again, mapped", byKeptMap),
			refills("iofd memfd, filled again, ReadAt", byKeptRead),
			each("iofd memfd, the same again", func() { pass(byMap, again.Fd(), nil) }),
			each("x/sys/unix memfd, sealed", func() {
				number := unixSealed(data)
				pass(byUnix, number, nil)
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

func newSealed(data []byte) *memfd.MemFD { return try.Get(memfd.NewSealed("bench", data)) }

// newHuge makes a sealed file of huge pages, which write(2) cannot fill.
func newHuge(data []byte) *memfd.MemFD {
	const page = 2 << 20
	m := try.Get(memfd.New("bench", memfd.AllowSealing, memfd.HugeTLB(page)))
	err := try.Run(func() {
		try.Check(m.Truncate(page))
		mapping := try.Get(m.Map(0, page, memfd.ReadWrite))
		copy(mapping.Bytes(), data)
		try.Check(mapping.Close())
		try.Check(m.Seal(sealed))
	})
	if err != nil {
		try.Check(errors.Join(err, m.Close()))
	}
	return m
}

func unixSealed(data []byte) (number int) {
	number = try.Get(unix.MemfdCreate("bench", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING))
	size(mebibyte).check(unix.Write(number, data))
	err := error(unix.EBUSY)
	for err == unix.EBUSY { // the kernel has a page in use, see memfd.NewSealed
		_, err = unix.FcntlInt(uintptr(number), unix.F_ADD_SEALS, int(sealed)|unix.F_SEAL_SEAL)
	}
	try.Check(err)
	return number
}

// The commands of a receiver tell it what it gets.
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

// receive is the other process.
func receive(string) {
	command, buf := make([]byte, 1), make([]byte, mebibyte)
	var kept *memfd.MemFD
	var mapping *memfd.Mapping
	for {
		size(1).check(os.Stdin.Read(command))
		switch command[0] {
		case byPipe:
			try.Get(io.ReadFull(os.Stdin, buf))
			look(buf)
		case byMap, byPopulate, byRead:
			lookInto(receiveNumber(), command[0], buf)
		case byUnix:
			unixLookInto(receiveNumber())
		case keep:
			kept = try.Get(memfd.FromFD(fd.New(receiveNumber())))
			mapping = try.Get(kept.Map(0, mebibyte, memfd.ReadOnly))
		case byKeptMap:
			look(mapping.Bytes())
		case byKeptRead:
			lookAt(kept, buf)
		}
		size(1).check(unix.Write(socket, command))
	}
}

// socket is the number of the receiver's socket.
const socket = 3

func receiveNumber() int {
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
	try.Check(err)
	messages := try.Get(unix.ParseSocketControlMessage(rights[:n]))
	return try.Get(unix.ParseUnixRights(&messages[0]))[0]
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
