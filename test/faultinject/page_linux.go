package main

import (
	"math"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/memfd"
)

// A page is memory that a child shares with its supervisor. The child uses it to say
// which of its calls are refused. A system call for that might itself be refused.
type page struct {
	serving atomic.Bool // the supervisor answers

	errno       atomic.Int32 // the result of refused calls; 0 while none is refused
	number      atomic.Int32 // the first argument of the calls that count, -1 for any
	first, last atomic.Int32 // of the calls that count, these are refused
	seen        atomic.Int32 // the calls that counted since errno was set
	refused     atomic.Int32 // those of them that were refused
}

const pageSize = 4096

// forEver is a last that no call reaches.
const forEver = math.MaxInt32

// newPage makes a page, and the file that holds it.
func newPage() (*page, *memfd.Mapping, *memfd.MemFD, error) {
	file, err := memfd.New("faults")
	if err != nil {
		return nil, nil, nil, err
	}
	if err = file.Truncate(pageSize); err == nil {
		var p *page
		var mapping *memfd.Mapping
		if p, mapping, err = mapPage(file); err == nil {
			return p, mapping, file, nil
		}
	}
	_ = file.Close()
	return nil, nil, nil, err
}

func mapPage(file *memfd.MemFD) (*page, *memfd.Mapping, error) {
	mapping, err := file.Map(0, pageSize, memfd.ReadWrite)
	if err != nil {
		return nil, nil, err
	}
	return (*page)(unsafe.Pointer(unsafe.SliceData(mapping.Bytes()))), mapping, nil
}

// arm makes the supervisor refuse the calls from first to last. It counts the calls
// from now on whose first argument is number, or all calls if number is -1.
func (p *page) arm(errno unix.Errno, number, first, last int) {
	p.seen.Store(0)
	p.refused.Store(0)
	p.number.Store(int32(number))
	p.first.Store(int32(first))
	p.last.Store(int32(last))
	p.errno.Store(int32(errno))
}

// disarm makes the supervisor let all calls through. It returns how many were refused.
func (p *page) disarm() int {
	p.errno.Store(0)
	return int(p.refused.Load())
}

// verdict returns the errno for a call that counts, 0 to let it through.
func (p *page) verdict(firstArgument uint64) unix.Errno {
	errno := unix.Errno(p.errno.Load())
	if errno == 0 {
		return 0
	}
	if number := p.number.Load(); number >= 0 && uint32(number) != uint32(firstArgument) {
		return 0
	}
	n := p.seen.Add(1)
	if n < p.first.Load() || n > p.last.Load() {
		return 0
	}
	return errno
}
