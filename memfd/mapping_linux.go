package memfd

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Prot is the kind of a [Mapping], see PROT_ and MAP_ in mmap(2).
type Prot int

const (
	// ReadOnly shows the content of the file and its changes: PROT_READ and
	// MAP_SHARED. A write to the slice is a fault.
	ReadOnly Prot = iota

	// ReadWrite is the content of the file: PROT_READ, PROT_WRITE and MAP_SHARED. A
	// write to the slice changes the file at once, for every reader and mapping.
	ReadWrite

	// CopyOnWrite is a private copy: PROT_READ, PROT_WRITE and MAP_PRIVATE. The kernel
	// copies each page at the first write to it. Writes do not reach the file. It is
	// unspecified if a page that is not yet copied shows changes of the file.
	CopyOnWrite
)

// String returns the constant's name.
func (p Prot) String() string {
	switch p {
	case ReadOnly:
		return "ReadOnly"
	case ReadWrite:
		return "ReadWrite"
	case CopyOnWrite:
		return "CopyOnWrite"
	}
	return fmt.Sprintf("Prot(%d)", int(p))
}

// A Mapping is a part of a file in the memory of this process, see mmap(2). It stays valid
// after Close of its [MemFD]. Only Close unmaps it; the garbage collector does not.
//
// Its methods may be called from any goroutine at any time.
type Mapping struct {
	memory atomic.Pointer[[]byte] // whole pages, nil once closed
	n      int
	prot   Prot

	// madvise(2) must not reach memory that is mapped there after Close: Advise holds
	// the lock for reading, and Close holds it for writing.
	advising sync.RWMutex
}

// Map maps n bytes of the file at offset off, see mmap(2). The offset must be a multiple of the
// page size, which is os.Getpagesize or the size of [HugeTLB]. n must be at least 1, and
// off+n must not exceed the size of the file: call [MemFD.Truncate] first. A file may
// have any number of mappings.
//
// Map returns EINVAL for invalid arguments. With [ReadWrite], it returns EPERM if the
// file has [SealWrite] or [SealFutureWrite], and EACCES if the descriptor is not open for
// writing or, whatever prot is, not for reading. It returns ENOMEM if the process has no
// room for n bytes, or if too few huge pages are free. It returns [fd.ErrClosed] if m is
// closed.
//
// If any process makes the file shorter later, an access to the lost pages raises SIGBUS.
// That ends a Go program, unless debug.SetPanicOnFault turns it into a panic. [SealShrink]
// prevents it, except for huge pages: see Pitfalls in the package documentation.
func (m *MemFD) Map(off int64, n int, prot Prot) (mapping *Mapping, err error) {
	err = m.use(func(number int) error {
		if err := m.mappable(number, off, n, prot); err != nil {
			return err
		}
		// For huge pages, munmap(2) requires whole pages.
		page := int(m.page)
		memory, err := mmap(number, off, (n+page-1)&^(page-1), prot)
		if err != nil {
			var forbid Seal
			if prot == ReadWrite {
				forbid = writeSeals
			}
			return m.explain(number, "Map", forbid, err)
		}
		mapping = &Mapping{n: n, prot: prot}
		mapping.memory.Store(&memory)
		return nil
	})
	return mapping, err
}

// mappable checks the arguments of Map.
func (m *MemFD) mappable(number int, off int64, n int, prot Prot) error {
	switch {
	case prot < ReadOnly || prot > CopyOnWrite:
		return sys.Invalid("memfd: Map: prot %d is none of ReadOnly, ReadWrite and CopyOnWrite", int(prot))
	case n <= 0:
		return sys.Invalid("memfd: Map: length %d is not positive", n)
	case off < 0:
		return sys.Invalid("memfd: Map: offset %d is negative", off)
	case off%m.page != 0:
		return sys.Invalid("memfd: Map: offset %d is not a multiple of the page size of %d", off, m.page)
	}
	size, err := fileSize(number)
	if err != nil {
		return err
	}
	if off > size || int64(n) > size-off {
		return sys.Invalid("memfd: Map: %d bytes from offset %d end past the file's size of %d", n, off, size)
	}
	// The length becomes whole pages. mmap2(2) of a 32-bit port counts the offset in units
	// of 4096 bytes, in one word.
	if int64(n) > math.MaxInt-(m.page-1) || uint64(off)/4096 > uint64(^uintptr(0)) {
		return sys.Invalid("memfd: Map: %d bytes from offset %d are out of range", n, off)
	}
	return nil
}

func mmap(number int, off int64, length int, prot Prot) (memory []byte, err error) {
	protection, flags := unix.PROT_READ, unix.MAP_SHARED
	if prot != ReadOnly {
		protection |= unix.PROT_WRITE
	}
	if prot == CopyOnWrite {
		flags = unix.MAP_PRIVATE
	}
	try := func() error {
		memory, err = unix.Mmap(number, off, length, protection, flags)
		return err
	}
	err = retry("mmap", try)
	if prot == ReadOnly && errors.Is(err, unix.EPERM) {
		// Some kernels make no shared mapping of a file with F_SEAL_WRITE: those before
		// 6.7, and 6.12 before 6.12.9. A private mapping shows the same, because the
		// content cannot change.
		flags = unix.MAP_PRIVATE
		err = retry("mmap", try)
	}
	return memory, err
}

// Bytes returns the mapped memory, n bytes as given to Map. After Close it returns nil.
//
// The memory does not belong to Go. An access to the slice after Close is a fault that
// ends the program, or reaches memory that was mapped there since. The race detector does
// not watch the slice. An atomic Store publishes what was written before it, and a Load
// of the same word sees that, in every build. But in a program built with -race, a Store
// and a later Load of another word may change places. If that order matters, use Swap in
// place of Store.
func (m *Mapping) Bytes() []byte {
	memory := m.memory.Load()
	if memory == nil {
		return nil
	}
	return (*memory)[:m.n:m.n]
}

// Close unmaps the memory, see munmap(2). It does not wait for goroutines that use the
// slice of Bytes, and none may use it after Close. It waits for [Mapping.Advise] in other
// goroutines. A second Close does nothing and returns nil.
func (m *Mapping) Close() error {
	m.advising.Lock()
	defer m.advising.Unlock()
	memory := m.memory.Swap(nil)
	if memory == nil {
		return nil
	}
	return os.NewSyscallError("munmap", unix.Munmap(*memory))
}
