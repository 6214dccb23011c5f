package main

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/bare"
	"code.hybscloud.com/iofd/test/internal/try"
)

// A kind is a kind of descriptor, in the mode of its constructor.
type kind struct {
	name string

	// pair makes two descriptors. The bytes written to w can be read from r.
	pair func() (w, r int)

	// nonblock selects fd.NewNonblock and bare calls as its yardstick. Otherwise
	// fd.New is compared with x/sys, because both tell the scheduler.
	nonblock bool
}

func fdRows() (rows []row) {
	for _, k := range []kind{{"pipe", pipe, true}, {"pipe by fd.New", pipe, false}, {"socket pair", socketPair, true}} {
		var both *variant
		if k.nonblock {
			both = atomicCount
		}
		for _, data := range []struct {
			name  string
			bytes int
		}{{"1 B", 1}, {"4 KiB", 4 << 10}, {"64 KiB", 64 << 10}} {
			rows = append(rows, row{
				name:    k.name + " write+read " + data.name,
				open:    func(o *opened) []way { return k.ways(o, data.bytes) },
				variant: both,
			})
		}
		rows = append(rows, row{name: k.name + " writev+readv 2×512 B", open: k.vectorWays, variant: both})
	}
	return rows
}

// handles makes two descriptors, and handles of them.
func (k kind) handles(o *opened) (w, r *fd.FD) {
	open := fd.New
	if k.nonblock {
		open = fd.NewNonblock
	}
	wNumber, rNumber := k.pair()
	return closing(o, open(wNumber)), closing(o, open(rNumber))
}

func (k kind) ways(o *opened, bytes int) []way {
	w, r := k.handles(o)
	wNumber, rNumber := w.Fd(), r.Fd()
	// The poller of package os watches pipes and sockets, and each write wakes the poller.
	// So package os gets its own pair.
	theirW, theirR := k.pair()
	wFile, rFile := closing(o, os.NewFile(uintptr(theirW), "w")), closing(o, os.NewFile(uintptr(theirR), "r"))
	p, all := make([]byte, bytes), size(bytes)
	return k.compared(
		each("bare calls", func() {
			all.checkBare(bareWrite(wNumber, p))
			all.checkBare(bareRead(rNumber, p))
		}),
		each("iofd", func() {
			all.check(w.Write(p))
			all.check(r.Read(p))
		}),
		each("x/sys/unix", func() {
			all.check(unix.Write(wNumber, p))
			all.check(unix.Read(rNumber, p))
		}),
		each("os.File", func() {
			all.check(wFile.Write(p))
			all.check(rFile.Read(p))
		}),
	)
}

// vectorWays write and read two buffers with one call each.
func (k kind) vectorWays(o *opened) []way {
	w, r := k.handles(o)
	wNumber, rNumber := w.Fd(), r.Fd()
	p, q, all := make([]byte, 512), make([]byte, 512), size(2*512)
	return k.compared(
		each("bare calls", func() {
			out, in := iovecs(p, q), iovecs(p, q)
			all.checkBare(bare.Call3(unix.SYS_WRITEV, uintptr(wNumber), unsafe.Pointer(&out), 2))
			all.checkBare(bare.Call3(unix.SYS_READV, uintptr(rNumber), unsafe.Pointer(&in), 2))
		}),
		each("iofd", func() {
			all.check(w.Writev([][]byte{p, q}))
			all.check(r.Readv([][]byte{p, q}))
		}),
		each("x/sys/unix", func() {
			all.check(unix.Writev(wNumber, [][]byte{p, q}))
			all.check(unix.Readv(rNumber, [][]byte{p, q}))
		}),
		// This is how a program makes a call that FD does not have.
		each("Control and x/sys/unix", func() {
			try.Check(w.Control(func(number int) error { _, err := unix.Writev(number, [][]byte{p, q}); return err }))
			try.Check(r.Control(func(number int) error { _, err := unix.Readv(number, [][]byte{p, q}); return err }))
		}),
	)
}

// compared returns the ways with the yardstick of k first. It gets bare calls, then the
// library, then x/sys, then more ways.
func (k kind) compared(ways ...way) []way {
	if k.nonblock {
		return ways
	}
	return append([]way{ways[2], ways[1]}, ways[3:]...)
}

func pipe() (w, r int) {
	var p [2]int
	try.Check(unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	return p[1], p[0]
}

func socketPair() (w, r int) {
	p := try.Get(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0))
	return p[0], p[1]
}
