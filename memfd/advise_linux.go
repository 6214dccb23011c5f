package memfd

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// An Advice says how a [Mapping] will be used, see madvise(2).
type Advice int

const (
	// WillNeed reads swapped pages from the swap device in advance: MADV_WILLNEED.
	WillNeed Advice = unix.MADV_WILLNEED

	// DontNeed removes the pages from the mapping: MADV_DONTNEED. The file keeps its
	// content and its memory, and the next access maps the page again.
	// [MemFD.PunchHole] frees the memory. For a [CopyOnWrite] mapping, DontNeed drops
	// the copies, and the mapping shows the file again. Requires Linux 5.18 for huge
	// pages of [HugeTLB], and is not for secret memory.
	DontNeed Advice = unix.MADV_DONTNEED

	// HugePage asks for transparent huge pages: MADV_HUGEPAGE. It has an effect on a
	// shared mapping only if the administrator permits it, in
	// /sys/kernel/mm/transparent_hugepage/shmem_enabled. Requires Linux 4.8.
	HugePage Advice = unix.MADV_HUGEPAGE

	// NoHugePage forbids transparent huge pages: MADV_NOHUGEPAGE. Requires Linux 4.8.
	NoHugePage Advice = unix.MADV_NOHUGEPAGE

	// DontDump leaves the mapping out of core dumps: MADV_DONTDUMP. Other processes
	// dump their own mappings. Requires Linux 3.4.
	DontDump Advice = unix.MADV_DONTDUMP

	// Populate provides the memory of every page and maps it, so that a later access
	// does not wait for the kernel: MADV_POPULATE_WRITE, and MADV_POPULATE_READ for a
	// [ReadOnly] mapping. The content does not change. In a [CopyOnWrite] mapping,
	// every page becomes a copy. Advise returns EFAULT if an access would raise
	// SIGBUS, as for lost pages or an empty pool of huge pages. It returns ENOMEM if
	// the kernel has no memory. Requires Linux 5.14, and is not for secret memory.
	Populate Advice = unix.MADV_POPULATE_WRITE
)

// String returns the constant's name.
func (a Advice) String() string {
	switch a {
	case WillNeed:
		return "WillNeed"
	case DontNeed:
		return "DontNeed"
	case HugePage:
		return "HugePage"
	case NoHugePage:
		return "NoHugePage"
	case DontDump:
		return "DontDump"
	case Populate:
		return "Populate"
	}
	return fmt.Sprintf("Advice(%d)", int(a))
}

// Advise tells the kernel how all pages of the mapping will be used, see madvise(2). Other
// mappings of the file keep their own advice. A [Mapping.Close] in another goroutine waits
// until Advise returns.
//
// Advise returns EINVAL if advice is not one of the constants. If the kernel or this kind
// of memory does not support it, the error matches errors.ErrUnsupported. It returns
// [fd.ErrClosed] if m is closed.
func (m *Mapping) Advise(advice Advice) error {
	m.advising.RLock()
	defer m.advising.RUnlock()
	memory := m.memory.Load()
	if memory == nil {
		return fd.ErrClosed
	}
	call := int(advice)
	switch advice {
	case WillNeed, DontNeed, HugePage, NoHugePage, DontDump:
	case Populate:
		if m.prot == ReadOnly {
			call = unix.MADV_POPULATE_READ
		}
	default:
		return sys.Invalid("memfd: Advise: advice %d is unknown", int(advice))
	}
	err := retry("madvise", func() error { return unix.Madvise(*memory, call) })
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("iofd: memfd: Advise(%v): %w for this memory by this kernel: %w", advice, errors.ErrUnsupported, err)
	}
	return err
}
