package memfd

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Prot says what a [Mapping] is for, see PROT_ and MAP_ in mmap(2).
type Prot int

const (
	// ReadOnly shows the file, and what others write to it: PROT_READ and
	// MAP_SHARED. Writing to the slice is a fault.
	ReadOnly Prot = iota

	// ReadWrite is the file: what is written to the slice is in the file at once,
	// for all who read or map it. PROT_READ, PROT_WRITE and MAP_SHARED.
	ReadWrite

	// CopyOnWrite is a copy made page by page, each when it is first written to:
	// nothing of that reaches the file. Whether a page not yet copied shows what
	// others write to the file is up to the kernel. PROT_READ, PROT_WRITE and
	// MAP_PRIVATE.
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

// A Mapping is part of a file, mapped into the memory of this process, see
// mmap(2). It does not need the [MemFD] it was made from, which may be closed. The
// garbage collector does not unmap it: Close does.
//
// Its methods may be called from any goroutine at any time.
type Mapping struct {
	memory atomic.Pointer[[]byte] // whole pages, nil once closed
	n      int
}

// Map maps n bytes of the file from offset off, see mmap(2). The file must have
// them: use [MemFD.Truncate] first. It may be mapped any number of times.
//
// The offset must be a multiple of the page size (os.Getpagesize, or that of
// [HugeTLB]), n at least 1, and off+n not past the end of the file, else Map
// refuses with EINVAL, as it does a prot that is none of the three. ReadWrite
// fails with EPERM on a file with [SealWrite] or [SealFutureWrite], and with
// EACCES through a descriptor not open for writing. ENOMEM says that the process
// has no room for it, or the machine too few huge pages.
//
// If the file is made shorter afterwards, by anybody, touching the pages that it
// lost raises SIGBUS, which ends the program unless debug.SetPanicOnFault makes a
// panic of it. A file with [SealShrink] cannot.
func (m *MemFD) Map(off int64, n int, prot Prot) (mapping *Mapping, err error) {
	err = m.use(func(number int) error {
		if err := m.mappable(number, off, n, prot); err != nil {
			return err
		}
		// Whole pages, as munmap(2) wants for huge ones.
		page := int(m.page)
		memory, err := mmap(number, off, (n+page-1)&^(page-1), prot)
		if err != nil {
			var forbid Seal
			if prot == ReadWrite {
				forbid = writeSeals
			}
			return m.explain(number, "Map", forbid, err)
		}
		mapping = &Mapping{n: n}
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
		// Kernels before 6.7 make no shared mapping of a file with F_SEAL_WRITE. Its
		// content cannot change, so a private one shows the same.
		flags = unix.MAP_PRIVATE
		err = retry("mmap", try)
	}
	return memory, err
}

// Bytes returns the mapped memory, n bytes as given to Map, or nil once closed.
// It is not Go's: touching the slice after Close is a fault that ends the program,
// or shows what has been mapped there since, and the race detector does not
// watch it. A program built with -race must not rely there on the order of an
// atomic Store and a later Load, which the detector leaves to the processor; a Swap
// keeps it.
func (m *Mapping) Bytes() []byte {
	memory := m.memory.Load()
	if memory == nil {
		return nil
	}
	return (*memory)[:m.n:m.n]
}

// Close unmaps the memory, see munmap(2). A second Close does nothing and returns
// nil. Nobody may use the slice that Bytes gave any more: Close does not wait.
func (m *Mapping) Close() error {
	memory := m.memory.Swap(nil)
	if memory == nil {
		return nil
	}
	return os.NewSyscallError("munmap", unix.Munmap(*memory))
}
