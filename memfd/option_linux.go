package memfd

import (
	"math/bits"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// An Option changes what [New] creates: [AllowSealing], [Executable],
// [WithoutExecSeal] or [HugeTLB]. It is a set of bits. New(name, a|b) is the same as
// New(name, a, b), as in New(name, AllowSealing|Executable). The Option 0 changes
// nothing.
type Option uint64

const (
	// AllowSealing lets [MemFD.Seal] add seals: MFD_ALLOW_SEALING.
	AllowSealing Option = 1 << iota

	// Executable gives the file execute permission: MFD_EXEC, Linux 6.3. An older
	// kernel gives it to every file, and New removes it without this option. New
	// returns EACCES if the administrator forbids MFD_EXEC, by sysctl
	// vm.memfd_noexec=2.
	Executable

	// WithoutExecSeal omits [SealExec], for receivers that reject a file with a seal
	// that they do not know. The file is not executable, but its owner can make it
	// executable by chmod(2). New then uses MFD_EXEC and fchmod(2). It returns EACCES
	// if the administrator forbids MFD_EXEC. With [Executable] this option has no
	// effect.
	WithoutExecSeal

	// hugeTLB says that the bits of hugeSize are a size. A valid size is one bit.
	hugeTLB

	hugeSize = ^Option(0xff)
)

// HugeTLB backs the file with huge pages of size bytes: MFD_HUGETLB. Common sizes are
// 2<<20 and 1<<30. The directory /sys/kernel/mm/hugepages lists the sizes of the machine.
//
// New returns EINVAL if size is not a power of two over the usual page size, or if the
// options have two sizes. It returns ENODEV, EINVAL or ENOSYS if the machine has no pages
// of this size. Pages come from a pool that the administrator fills. [MemFD.Map] reserves
// them, and returns ENOMEM if too few are free.
//
// Such a file is written through mappings only: write(2) returns EINVAL. Its size and the
// offset of a mapping are multiples of the page size. See Pitfalls in the package
// documentation for accesses that raise SIGBUS.
//
// Requires Linux 4.14, and Linux 4.16 with AllowSealing.
func HugeTLB(size int64) Option {
	option := Option(size)
	if size < 0 || option&^hugeSize != 0 {
		option = 0 // is not a size either
	}
	return hugeTLB | option
}

// config is the sum of the options.
type config struct {
	options Option
	hugeTLB int // MFD_ flags
	page    int64
}

func configure(opts []Option) (config, error) {
	c := config{page: int64(os.Getpagesize())}
	for _, o := range opts {
		c.options |= o
	}
	known := AllowSealing | Executable | WithoutExecSeal
	huge := c.options&hugeTLB != 0
	if huge {
		known |= hugeTLB | hugeSize
	}
	if unknown := c.options &^ known; unknown != 0 {
		return config{}, sys.Invalid("memfd: New: unknown option %#x", uint64(unknown))
	}
	if !huge {
		return c, nil
	}
	size := int64(c.options & hugeSize)
	if size <= c.page || size&(size-1) != 0 {
		return config{}, sys.Invalid("memfd: New: HugeTLB size is not a power of two over the page size of %d", c.page)
	}
	// The kernel expects the logarithm in the upper six of 32 bits.
	log := uint32(bits.TrailingZeros64(uint64(size)))
	c.hugeTLB = int(unix.MFD_HUGETLB | log<<unix.MFD_HUGE_SHIFT)
	c.page = size
	return c, nil
}
