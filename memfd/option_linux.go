package memfd

import (
	"math/bits"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// An Option changes what [New] creates: [AllowSealing], [Executable],
// [WithoutExecSeal] or [HugeTLB]. A nil Option changes nothing.
type Option interface {
	apply(*config) error
}

// The options that are on or off.
const (
	// AllowSealing lets [MemFD.Seal] add seals: MFD_ALLOW_SEALING.
	AllowSealing flag = 1 << iota

	// Executable gives the file execute permission: MFD_EXEC (6.3; older kernels
	// give it to every file, and New takes it away from the others). Where the
	// administrator forbids it (sysctl vm.memfd_noexec is 2), New fails with
	// EACCES.
	Executable

	// WithoutExecSeal leaves [SealExec] out, for receivers that reject a file
	// with a seal they do not know. The file is not executable either, but its
	// owner can make it so. It takes MFD_EXEC and fchmod(2), so New fails with
	// EACCES where the administrator forbids the first. Together with
	// [Executable] it changes nothing.
	WithoutExecSeal
)

// HugeTLB backs the file with huge pages of the given size in bytes, which must
// be a power of two over the usual page size: MFD_HUGETLB (4.14; with
// AllowSealing 4.16). 2<<20 and 1<<30 are common; /sys/kernel/mm/hugepages lists
// what the machine has. The last HugeTLB counts.
//
// Other sizes are refused with EINVAL. One that the machine does not have makes
// New fail with the kernel's ENODEV, EINVAL or ENOSYS. Pages come from a pool that
// the administrator fills, and are reserved by [MemFD.Map], which fails with
// ENOMEM when there are too few.
//
// Such a file is written by way of mappings only: write(2) fails with EINVAL. Its
// size is a multiple of the page size, and so is the offset of a mapping.
func HugeTLB(size int64) Option { return hugeTLB(size) }

type flag uint

func (f flag) apply(c *config) error {
	c.flag |= f
	return nil
}

type hugeTLB int64

func (h hugeTLB) apply(c *config) error {
	size, usual := int64(h), int64(os.Getpagesize())
	if size <= usual || size&(size-1) != 0 {
		return sys.Invalid("memfd: HugeTLB size %d is not a power of two over the page size of %d", size, usual)
	}
	// The kernel takes the logarithm in the upper six bits of 32.
	log := uint32(bits.TrailingZeros64(uint64(size)))
	c.hugeTLB = int(unix.MFD_HUGETLB | log<<unix.MFD_HUGE_SHIFT)
	c.page = size
	return nil
}

// config is what the options add up to.
type config struct {
	flag    flag
	hugeTLB int // MFD_ flags
	page    int64
}

func configure(opts []Option) (config, error) {
	c := config{page: int64(os.Getpagesize())}
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.apply(&c); err != nil {
			return config{}, err
		}
	}
	return c, nil
}
