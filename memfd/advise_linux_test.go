package memfd_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

var advices = []memfd.Advice{memfd.WillNeed, memfd.DontNeed, memfd.HugePage, memfd.NoHugePage, memfd.DontDump, memfd.Populate}

// advise gives advice. It skips the test if the kernel does not support it.
func advise(t *testing.T, m *memfd.Mapping, advice memfd.Advice) {
	t.Helper()
	err := m.Advise(advice)
	if err != nil && (advice == memfd.HugePage || advice == memfd.NoHugePage) {
		_, missing := os.Stat("/sys/kernel/mm/transparent_hugepage")
		systest.Need(t, "transparent huge pages", missing)
	}
	systest.SkipUnsupported(t, err, 5, 14)
}

// No advice changes what a mapping shows, except DontNeed for the copies of a private one.
func TestAdviseKeepsContent(t *testing.T) {
	for _, prot := range []memfd.Prot{memfd.ReadOnly, memfd.ReadWrite, memfd.CopyOnWrite} {
		for _, advice := range advices {
			t.Run(fmt.Sprint(prot, " ", advice), func(t *testing.T) {
				m := createWith(t, "0123456789")
				mapping := mapFile(t, m, 0, 10, prot)
				want := "0123456789"
				if prot == memfd.CopyOnWrite {
					copy(mapping.Bytes(), "copy")
					if advice != memfd.DontNeed || systest.Emulated() {
						want = "copy456789"
					}
				}
				advise(t, mapping, advice)
				if !systest.Emulated() || advice != memfd.DontNeed {
					assert.Equal(t, want, string(mapping.Bytes()))
				}
				assert.Equal(t, "0123456789", content(t, m))
			})
		}
	}
}

// notAdvised skips the test under an emulator, which ignores most advice.
func notAdvised(t *testing.T) {
	t.Helper()
	systest.NotEmulated(t, "the emulator ignores advice")
}

// Populate provides the memory of the file, for reads and for writes.
func TestPopulate(t *testing.T) {
	notAdvised(t)
	page := os.Getpagesize()
	for _, prot := range []memfd.Prot{memfd.ReadOnly, memfd.ReadWrite} {
		m := create(t)
		require.NoError(t, m.Truncate(16*int64(page)))
		mapping := mapFile(t, m, 4*int64(page), 7*page+1, prot)
		require.Zero(t, memoryOf(t, m))
		advise(t, mapping, memfd.Populate)
		assert.GreaterOrEqual(t, memoryOf(t, m), 8*int64(page), "%v", prot)

		require.NoError(t, m.Truncate(4*int64(page)))
		assert.ErrorIs(t, mapping.Advise(memfd.Populate), unix.EFAULT, "lost pages")
	}
}

// Populate copies every page of a private mapping. DontNeed drops the copies.
func TestAdviseCopyOnWrite(t *testing.T) {
	notAdvised(t)
	page := os.Getpagesize()
	m := create(t)
	require.NoError(t, m.Truncate(2*int64(page)))
	mapping := mapFile(t, m, 0, 2*page, memfd.CopyOnWrite)
	advise(t, mapping, memfd.Populate)
	_, err := m.WriteAt([]byte("x"), int64(page))
	require.NoError(t, err)
	assert.Equal(t, byte(0), mapping.Bytes()[page], "the page is a copy")
	advise(t, mapping, memfd.DontNeed)
	assert.Equal(t, byte('x'), mapping.Bytes()[page])
}

// No advice changes the content of secret memory. The kernel refuses Populate, and
// older kernels refuse DontNeed.
func TestAdviseSecret(t *testing.T) {
	mapping := mapFile(t, secret(t, 10), 0, 10, memfd.ReadWrite)
	copy(mapping.Bytes(), "0123456789")
	if err := mapping.Advise(memfd.DontNeed); err != nil {
		assert.ErrorIs(t, err, errors.ErrUnsupported)
	}
	assert.ErrorIs(t, mapping.Advise(memfd.Populate), errors.ErrUnsupported)
	assert.NoError(t, mapping.Advise(memfd.DontDump))
	assert.Equal(t, "0123456789", string(mapping.Bytes()))
}

// mappingFlags returns the flags of the mapping, see VmFlags in proc_pid_smaps(5).
func mappingFlags(t *testing.T, m *memfd.Mapping) string {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(smaps), fmt.Sprintf("\n%x-", unsafe.Pointer(&m.Bytes()[0])))
	require.True(t, ok)
	_, rest, ok = strings.Cut(rest, "VmFlags: ")
	require.True(t, ok)
	flags, _, _ := strings.Cut(rest, "\n")
	return flags
}

func TestAdviseFlags(t *testing.T) {
	notAdvised(t)
	mapping := mapFile(t, createWith(t, "text"), 0, 4, memfd.ReadWrite)
	for _, tt := range []struct {
		advice memfd.Advice
		flag   string
	}{{memfd.DontDump, "dd"}, {memfd.HugePage, "hg"}, {memfd.NoHugePage, "nh"}} {
		t.Run(tt.advice.String(), func(t *testing.T) {
			assert.NotContains(t, mappingFlags(t, mapping), tt.flag)
			advise(t, mapping, tt.advice)
			assert.Contains(t, mappingFlags(t, mapping), tt.flag)
		})
	}
}

func TestAdviseRefused(t *testing.T) {
	mapping, err := createWith(t, "text").Map(0, 4, memfd.ReadWrite)
	require.NoError(t, err)
	unknown := []memfd.Advice{0, -1, 1, unix.MADV_REMOVE, unix.MADV_DONTFORK, unix.MADV_POPULATE_READ, 1 << 20}
	for _, advice := range unknown {
		err := mapping.Advise(advice)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.NotErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorContains(t, err, fmt.Sprintf("memfd: Advise: advice %d is unknown", int(advice)))
	}
	require.NoError(t, mapping.Close())
	for _, advice := range append(unknown, advices...) {
		assert.Equal(t, fd.ErrClosed, mapping.Advise(advice))
		assert.Equal(t, fd.ErrClosed, new(memfd.Mapping).Advise(advice))
	}
}

func TestAdviseFails(t *testing.T) {
	readOnly := mapFile(t, createWith(t, "text"), 0, 4, memfd.ReadOnly)
	readWrite := mapFile(t, createWith(t, "text"), 0, 4, memfd.ReadWrite)
	for _, errno := range []unix.Errno{unix.EINVAL, unix.ENOMEM, unix.EFAULT} {
		systest.Refuse(t, func() {
			for _, mapping := range []*memfd.Mapping{readOnly, readWrite} {
				err := mapping.Advise(memfd.Populate)
				assert.ErrorIs(t, err, errno)
				assert.Equal(t, errno == unix.EINVAL, errors.Is(err, errors.ErrUnsupported), "%v", err)
				var named *os.SyscallError
				if assert.ErrorAs(t, err, &named) {
					assert.Equal(t, "madvise", named.Syscall)
				}
			}
		}, systest.Refusal{Call: unix.SYS_MADVISE, Errno: errno, Arg: 3, Value: unix.MADV_POPULATE_READ},
			systest.Refusal{Call: unix.SYS_MADVISE, Errno: errno, Arg: 3, Value: unix.MADV_POPULATE_WRITE})
	}
}

// Close waits for Advise, so madvise(2) never finds the memory unmapped.
func TestAdviseRacesWithClose(t *testing.T) {
	notAdvised(t)
	const size = 32 << 20
	for range 5 {
		m := create(t)
		require.NoError(t, m.Truncate(size))
		mapping, err := m.Map(0, size, memfd.ReadWrite)
		require.NoError(t, err)
		advised := make(chan error, 1)
		go func() { advised <- mapping.Advise(memfd.Populate) }()
		for memoryOf(t, m) == 0 && len(advised) == 0 { // until Advise is at work
			runtime.Gosched()
		}
		require.NoError(t, mapping.Close())
		systest.SkipUnsupported(t, <-advised, 5, 14)
		require.NoError(t, m.Truncate(0))
	}
}

// Every method may run at the same time as every other.
func TestMappingConcurrently(t *testing.T) {
	for range 100 {
		mapping, err := createWith(t, "01234567").Map(0, 8, memfd.ReadWrite)
		require.NoError(t, err)
		var group sync.WaitGroup
		for _, advice := range []memfd.Advice{memfd.DontNeed, memfd.WillNeed, memfd.DontDump} {
			group.Go(func() {
				for mapping.Bytes() != nil {
					if err := mapping.Advise(advice); err != nil {
						assert.Equal(t, fd.ErrClosed, err)
					}
					_ = mapping.Uint64(0)
				}
			})
		}
		require.NoError(t, mapping.Close())
		group.Wait()
	}
}

func TestAdviceString(t *testing.T) {
	assert.Equal(t, "[WillNeed DontNeed HugePage NoHugePage DontDump Populate]", fmt.Sprint(advices))
	assert.Equal(t, "Advice(-1)", memfd.Advice(-1).String())
}
