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
)

// HugeTLB backs the file with huge pages of size bytes: MFD_HUGETLB. Common sizes are
// 2<<20 and 1<<30. The directory /sys/kernel/mm/hugepages lists the sizes of the machine.
// The last HugeTLB option counts.
//
// New returns EINVAL if size is not a power of two over the usual page size. It returns
// ENODEV, EINVAL or ENOSYS if the machine has no pages of this size. Pages come from a
// pool that the administrator fills. [MemFD.Map] reserves them, and returns ENOMEM if too
// few are free.
//
// Such a file is written through mappings only: write(2) returns EINVAL. Its size and the
// offset of a mapping are multiples of the page size. See Pitfalls in the package
// documentation for accesses that raise SIGBUS.
//
// Requires Linux 4.14, and Linux 4.16 with AllowSealing.
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
	// The kernel expects the logarithm in the upper six of 32 bits.
	log := uint32(bits.TrailingZeros64(uint64(size)))
	c.hugeTLB = int(unix.MFD_HUGETLB | log<<unix.MFD_HUGE_SHIFT)
	c.page = size
	return nil
}

// config is the sum of the options.
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
