package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// small is the size up to which a read or write is short, so that the way to the
// call is seen.
const small = 4 << 10

func fdRows() []row {
	var rows []row
	for _, kind := range []struct {
		name string
		pair func(o *opened) (ends, error)
		raw  bool // the library's calls do not tell the scheduler
	}{
		{"pipe", pipeEnds, true},
		{"socket pair", socketEnds, true},
		{"regular file", fileEnds, false},
	} {
		for _, size := range []struct {
			name string
			n    int
		}{{"1 B", 1}, {"4 KiB", 4 << 10}, {"64 KiB", 64 << 10}} {
			rows = append(rows, row{
				name:      fmt.Sprintf("%s write+read %s", kind.name, size.name),
				open:      func(o *opened) ([]way, error) { return writeReadWays(o, kind.pair, size.n) },
				bothLanes: kind.raw && size.n <= small,
			})
		}
	}
	return rows
}

// ends are two descriptors: what is written to the one is read from the other.
type ends struct {
	w, r int

	// rewind, where there is one, has both go on at the start.
	rewind func() error
}

func writeReadWays(o *opened, pair func(*opened) (ends, error), size int) ([]way, error) {
	raw, err := pair(o)
	if err != nil {
		return nil, err
	}
	w, r := fd.New(raw.w), fd.New(raw.r)
	o.atEnd(w.Close)
	o.atEnd(r.Close)
	theirs, err := raw.second(o, pair)
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
	return []way{
		rewound(raw, "bare calls", func(n int) error { return bareWriteRead(n, raw.w, raw.r, p) }),
		rewound(raw, "iofd", func(n int) error { return writeRead(n, w, r, p) }),
		rewound(raw, "x/sys/unix", func(n int) error { return unixWriteRead(n, raw.w, raw.r, p) }),
		rewound(theirs, "os.File", func(n int) error { return writeRead(n, wFile, rFile, p) }),
	}, nil
}

// second returns ends for package os. It watches pipes and sockets by epoll(7),
// which each write wakes, so it has some of its own. Not so files, of which one has
// its pages in the cache more than another.
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

// fileEnds opens a new file twice, each with an offset of its own. The reader
// follows the writer.
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
