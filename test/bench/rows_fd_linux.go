package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// small is the largest size for which bench measures both reference counts. The
// copy of a larger buffer hides the difference.
const small = 4 << 10

// A kind is a kind of descriptor, in the mode of its constructor.
type kind struct {
	name  string
	pair  func(o *opened) (ends, error)
	sizes []int

	// nonblock selects fd.NewNonblock and bare calls as its yardstick. Otherwise
	// fd.New is compared with x/sys, because both tell the scheduler.
	nonblock bool
}

func fdRows() []row {
	var rows []row
	for _, k := range []kind{
		{"pipe", pipeEnds, []int{1, 4 << 10, 64 << 10}, true},
		{"pipe by fd.New", pipeEnds, []int{1}, false},
		{"socket pair", socketEnds, []int{1, 4 << 10, 64 << 10}, true},
		{"regular file", fileEnds, []int{64, 4 << 10, 64 << 10}, false},
	} {
		for _, size := range k.sizes {
			name := fmt.Sprintf("%s write+read %d B", k.name, size)
			if size >= 1<<10 {
				name = fmt.Sprintf("%s write+read %d KiB", k.name, size>>10)
			}
			rows = append(rows, row{
				name:       name,
				open:       func(o *opened) ([]way, error) { return k.ways(o, size) },
				bothCounts: k.nonblock && size <= small,
			})
		}
	}
	for _, k := range []kind{{"pipe", pipeEnds, nil, true}, {"pipe by fd.New", pipeEnds, nil, false}, {"socket pair", socketEnds, nil, true}} {
		const each = 512
		rows = append(rows, row{
			name:       fmt.Sprintf("%s writev+readv 2×%d B", k.name, each),
			open:       func(o *opened) ([]way, error) { return k.vectorWays(o, each) },
			bothCounts: k.nonblock,
		})
	}
	return rows
}

// vectorWays writes and reads two buffers of size bytes with one call each.
func (k kind) vectorWays(o *opened, size int) ([]way, error) {
	raw, err := k.pair(o)
	if err != nil {
		return nil, err
	}
	w, r := k.handles(o, raw)
	p, q := make([]byte, size), make([]byte, size)
	direct := timed("bare calls", func(n int) error { return bareVectors(n, raw.w, raw.r, p, q) })
	ours := timed("iofd", func(n int) error { return vectors(n, w, r, p, q) })
	xsys := timed("x/sys/unix", func(n int) error { return unixVectors(n, raw.w, raw.r, p, q) })
	if !k.nonblock {
		return []way{xsys, ours}, nil
	}
	pinned := timed("Control and x/sys/unix", func(n int) error { return controlVectors(n, w, r, p, q) })
	return []way{direct, ours, xsys, pinned}, nil
}

// ends are two descriptors. The bytes written to w can be read from r.
type ends struct {
	w, r int

	// rewind moves both to the start of a file. It is nil for other kinds.
	rewind func() error
}

// handles makes handles of two ends.
func (k kind) handles(o *opened, e ends) (w, r *fd.FD) {
	open := fd.New
	if k.nonblock {
		open = fd.NewNonblock
	}
	w, r = open(e.w), open(e.r)
	o.atEnd(w.Close)
	o.atEnd(r.Close)
	return w, r
}

func (k kind) ways(o *opened, size int) ([]way, error) {
	raw, err := k.pair(o)
	if err != nil {
		return nil, err
	}
	w, r := k.handles(o, raw)
	theirs, err := raw.second(o, k.pair)
	if err != nil {
		return nil, err
	}
	wFile, rFile := os.NewFile(uintptr(theirs.w), "w"), os.NewFile(uintptr(theirs.r), "r")
	o.atEnd(wFile.Close)
	o.atEnd(rFile.Close)

	p := make([]byte, size)
	rewound := func(e ends, name string, do func(n int) error) way {
		return timed(name, func(n int) error {
			if e.rewind != nil {
				if err := e.rewind(); err != nil {
					return err
				}
			}
			return do(n)
		})
	}
	direct := rewound(raw, "bare calls", func(n int) error { return bareWriteRead(n, raw.w, raw.r, p) })
	ours := rewound(raw, "iofd", func(n int) error { return writeRead(n, w, r, p) })
	xsys := rewound(raw, "x/sys/unix", func(n int) error { return unixWriteRead(n, raw.w, raw.r, p) })
	files := rewound(theirs, "os.File", func(n int) error { return fileWriteRead(n, wFile, rFile, p) })
	if !k.nonblock {
		return []way{xsys, ours, files}, nil
	}
	return []way{direct, ours, xsys, files}, nil
}

// second returns ends for package os. The poller of package os watches pipes and
// sockets, and each write wakes the poller. So package os gets its own pair. It gets
// the same file, because two files differ in how their pages are cached.
func (e ends) second(o *opened, pair func(*opened) (ends, error)) (ends, error) {
	if e.rewind == nil {
		return pair(o)
	}
	w, err := unix.Dup(e.w)
	if err != nil {
		return ends{}, err
	}
	r, err := unix.Dup(e.r)
	if err != nil {
		_ = unix.Close(w)
		return ends{}, err
	}
	return ends{w, r, e.rewind}, nil
}

func pipeEnds(*opened) (ends, error) {
	var p [2]int
	err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK)
	return ends{w: p[1], r: p[0]}, err
}

func socketEnds(*opened) (ends, error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	return ends{w: p[0], r: p[1]}, err
}

// fileEnds opens a new file twice. Each has its own offset, and the reader follows
// the writer.
func fileEnds(o *opened) (ends, error) {
	file, err := os.CreateTemp("", "iofd-bench-")
	if err != nil {
		return ends{}, err
	}
	o.atEnd(func() error { return os.Remove(file.Name()) })
	if err := file.Close(); err != nil {
		return ends{}, err
	}
	w, err := unix.Open(file.Name(), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ends{}, err
	}
	r, err := unix.Open(file.Name(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(w)
		return ends{}, err
	}
	return ends{w, r, func() error {
		for _, end := range []int{w, r} {
			if _, err := unix.Seek(end, 0, unix.SEEK_SET); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}
