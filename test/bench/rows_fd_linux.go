package main

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/bare"
	"code.hybscloud.com/iofd/test/internal/try"
)

// A kind is a kind of descriptor, in the mode of its constructor.
type kind struct {
	name    string
	pair    func(o *opened) ends
	sizes   []int // of a write
	vectors bool  // whether the kind has a row of two buffers

	// nonblock selects fd.NewNonblock and bare calls as its yardstick. Otherwise
	// fd.New is compared with x/sys, because both tell the scheduler.
	nonblock bool
}

var kinds = []kind{
	{"pipe", pipeEnds, []int{1, 4 << 10, 64 << 10}, true, true},
	{"pipe by fd.New", pipeEnds, []int{1}, true, false},
	{"socket pair", socketEnds, []int{1, 4 << 10, 64 << 10}, true, true},
	{"regular file", fileEnds, []int{64, 4 << 10, 64 << 10}, false, false},
}

func fdRows() (rows []row) {
	for _, k := range kinds {
		var both *variant
		if k.nonblock {
			both = atomicCount
		}
		for _, bytes := range k.sizes {
			name := fmt.Sprintf("%s write+read %d B", k.name, bytes)
			if bytes >= 1<<10 {
				name = fmt.Sprintf("%s write+read %d KiB", k.name, bytes>>10)
			}
			rows = append(rows, row{name: name, open: func(o *opened) []way { return k.ways(o, bytes) }, variant: both})
		}
		if k.vectors {
			rows = append(rows, row{name: k.name + " writev+readv 2×512 B", open: k.vectorWays, variant: both})
		}
	}
	return rows
}

// ends are two descriptors. The bytes written to w can be read from r.
type ends struct {
	w, r int

	// rewind moves both to the start of a file. It is nil for other kinds.
	rewind func()
}

// open makes ends, and handles of them.
func (k kind) open(o *opened) (raw ends, w, r *fd.FD) {
	raw = k.pair(o)
	handle := fd.New
	if k.nonblock {
		handle = fd.NewNonblock
	}
	return raw, closing(o, handle(raw.w)), closing(o, handle(raw.r))
}

func (k kind) ways(o *opened, bytes int) []way {
	raw, w, r := k.open(o)
	theirs := raw.second(o, k.pair)
	wFile, rFile := closing(o, os.NewFile(uintptr(theirs.w), "w")), closing(o, os.NewFile(uintptr(theirs.r), "r"))
	p, all := make([]byte, bytes), size(bytes)
	rewound := func(name string, do func()) way {
		return timed(name, func(n int) {
			if raw.rewind != nil {
				raw.rewind()
			}
			for range n {
				do()
			}
		})
	}
	return k.compared([]way{
		rewound("bare calls", func() {
			all.checkBare(bareWrite(raw.w, p))
			all.checkBare(bareRead(raw.r, p))
		}),
		rewound("iofd", func() {
			all.check(w.Write(p))
			all.check(r.Read(p))
		}),
		rewound("x/sys/unix", func() {
			all.check(unix.Write(raw.w, p))
			all.check(unix.Read(raw.r, p))
		}),
		rewound("os.File", func() {
			all.check(wFile.Write(p))
			all.check(rFile.Read(p))
		}),
	})
}

// vectorWays write and read two buffers with one call each.
func (k kind) vectorWays(o *opened) []way {
	raw, w, r := k.open(o)
	p, q, all := make([]byte, 512), make([]byte, 512), size(2*512)
	ways := []way{
		each("bare calls", func() {
			out, in := iovecs(p, q), iovecs(p, q)
			all.checkBare(bare.Call3(unix.SYS_WRITEV, uintptr(raw.w), unsafe.Pointer(&out), 2))
			all.checkBare(bare.Call3(unix.SYS_READV, uintptr(raw.r), unsafe.Pointer(&in), 2))
		}),
		each("iofd", func() {
			all.check(w.Writev([][]byte{p, q}))
			all.check(r.Readv([][]byte{p, q}))
		}),
		each("x/sys/unix", func() {
			all.check(unix.Writev(raw.w, [][]byte{p, q}))
			all.check(unix.Readv(raw.r, [][]byte{p, q}))
		}),
	}
	if k.nonblock {
		// This is how a program makes a call that FD does not have.
		ways = append(ways, each("Control and x/sys/unix", func() {
			try.Check(w.Control(func(number int) error { _, err := unix.Writev(number, [][]byte{p, q}); return err }))
			try.Check(r.Control(func(number int) error { _, err := unix.Readv(number, [][]byte{p, q}); return err }))
		}))
	}
	return k.compared(ways)
}

// compared returns the ways with the yardstick of k first. It gets bare calls, then the
// library, then x/sys, then more ways.
func (k kind) compared(ways []way) []way {
	if k.nonblock {
		return ways
	}
	return append([]way{ways[2], ways[1]}, ways[3:]...)
}

// second returns ends for package os. The poller of package os watches pipes and
// sockets, and each write wakes the poller. So package os gets its own pair. It gets
// the same file, because two files differ in how their pages are cached.
func (e ends) second(o *opened, pair func(*opened) ends) ends {
	if e.rewind == nil {
		return pair(o)
	}
	return ends{try.Get(unix.Dup(e.w)), try.Get(unix.Dup(e.r)), e.rewind}
}

func pipeEnds(*opened) ends {
	var p [2]int
	try.Check(unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	return ends{w: p[1], r: p[0]}
}

func socketEnds(*opened) ends {
	p := try.Get(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0))
	return ends{w: p[0], r: p[1]}
}

// fileEnds opens a new file twice. Each has its own offset, and the reader follows
// the writer.
func fileEnds(o *opened) ends {
	file := closing(o, try.Get(os.CreateTemp("", "iofd-bench-")))
	o.atEnd(func() error { return os.Remove(file.Name()) })
	w := try.Get(unix.Open(file.Name(), unix.O_WRONLY|unix.O_CLOEXEC, 0))
	r := try.Get(unix.Open(file.Name(), unix.O_RDONLY|unix.O_CLOEXEC, 0))
	return ends{w, r, func() {
		try.Get(unix.Seek(w, 0, unix.SEEK_SET))
		try.Get(unix.Seek(r, 0, unix.SEEK_SET))
	}}
}
