package memfd_test

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

// memoryOf returns how many bytes of memory the file uses.
func memoryOf(t *testing.T, m *memfd.MemFD) int64 {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(m.Fd(), &st))
	return st.Blocks * 512
}

func TestAllocate(t *testing.T) {
	page := int64(os.Getpagesize())
	m := createWith(t, "0123456789")
	require.NoError(t, m.Truncate(8*page))
	for _, tt := range []struct{ off, n, size, memory int64 }{
		{0, 1, 8 * page, page},
		{5, 3 * page, 8 * page, 4 * page},
		{7 * page, page, 8 * page, 5 * page},
		{8 * page, 1, 8*page + 1, 6 * page},
		{10*page - 1, 2, 10*page + 1, 8 * page},
	} {
		require.NoError(t, m.Allocate(tt.off, tt.n))
		size, err := m.Size()
		require.NoError(t, err)
		assert.Equal(t, tt.size, size)
		assert.GreaterOrEqual(t, memoryOf(t, m), tt.memory)
	}
	assert.Equal(t, "0123456789"+strings.Repeat("\x00", int(10*page+1-10)), content(t, m))
}

func TestAllocateRefused(t *testing.T) {
	m := createWith(t, "0123456789")
	bad := []struct {
		off, n int64
		want   string
	}{
		{-1, 1, "offset -1 is negative"},
		{math.MinInt64, 1, "is negative"},
		{0, 0, "length 0 is not positive"},
		{0, math.MinInt64, "is not positive"},
		{1, math.MaxInt64, "end past the largest offset"},
		{math.MaxInt64, 1, "end past the largest offset"},
	}
	for _, tt := range bad {
		err := m.Allocate(tt.off, tt.n)
		assert.ErrorIs(t, err, unix.EINVAL, "%+v", tt)
		assert.ErrorContains(t, err, "memfd: Allocate: ")
		assert.ErrorContains(t, err, tt.want)
	}
	closed := createWith(t, "")
	require.NoError(t, closed.Close())
	for _, tt := range bad {
		assert.Equal(t, fd.ErrClosed, closed.Allocate(tt.off, tt.n))
	}
	f, err := m.ReopenReadOnly()
	require.NoError(t, err)
	reader, err := memfd.FromFD(f)
	require.NoError(t, err)
	defer reader.Close()
	assert.EqualError(t, reader.Allocate(0, 1), "iofd: memfd: Allocate: the descriptor is not open for writing: fallocate: bad file descriptor")
	assert.Equal(t, "0123456789", content(t, m))
}

// SealGrow forbids a larger size. No seal forbids the memory of the file as it is.
func TestAllocateSealed(t *testing.T) {
	m := createWith(t, "0123456789", memfd.AllowSealing)
	require.NoError(t, m.Seal(memfd.SealShrink|memfd.SealFutureWrite|memfd.SealWrite))
	require.NoError(t, m.Allocate(0, 20))
	require.NoError(t, m.Seal(memfd.SealGrow))
	require.NoError(t, m.Allocate(10, 10))
	err := m.Allocate(10, 11)
	assert.EqualError(t, err, "iofd: memfd: Allocate: the file is sealed against it (grow): fallocate: operation not permitted")
	assert.Equal(t, "0123456789"+strings.Repeat("\x00", 10), content(t, m))
}

// If a signal interrupts fallocate(2), Allocate goes on with smaller parts. The filter
// interrupts every call for the whole range.
func TestAllocateInterrupted(t *testing.T) {
	page := int64(os.Getpagesize())
	for _, pages := range []int64{2, 7, 64} {
		m := create(t)
		systest.Refuse(t, func() { assert.NoError(t, m.Allocate(0, pages*page)) }, lengthRefused(unix.EINTR, pages*page))
		size, err := m.Size()
		require.NoError(t, err)
		assert.Equal(t, pages*page, size)
		assert.GreaterOrEqual(t, memoryOf(t, m), pages*page)
	}
}

// lengthRefused refuses fallocate(2) of n bytes.
func lengthRefused(errno unix.Errno, n int64) systest.Refusal {
	arg := 4
	if math.MaxInt == math.MaxInt32 {
		arg = 5 // an offset is two arguments, the low half first
	}
	return systest.Refusal{Call: unix.SYS_FALLOCATE, Errno: errno, Arg: arg, Value: uint32(n)}
}

func TestAllocateFails(t *testing.T) {
	m := create(t)
	for errno, want := range map[unix.Errno]string{
		unix.ENOSPC: "iofd: memfd: Allocate: the kernel commits no more memory, see vm.overcommit_memory: fallocate: no space left on device",
		unix.ENOMEM: "fallocate: cannot allocate memory",
	} {
		systest.Refuse(t, func() { assert.EqualError(t, m.Allocate(0, 1), want) }, systest.Refusal{Call: unix.SYS_FALLOCATE, Errno: errno})
	}
}

// Huge pages are allocated whole. Without the argument check, the size of the file would
// not be a multiple of the page size.
func TestAllocateHuge(t *testing.T) {
	m := huge(t)
	for _, tt := range []struct{ off, n int64 }{{0, 1}, {1, hugePage}, {4096, 4096}, {0, hugePage + 1}} {
		err := m.Allocate(tt.off, tt.n)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, "are not a multiple of the page size of 2097152")
	}
	size, err := m.Size()
	require.NoError(t, err)
	assert.Zero(t, size)

	reserve(t, 2)
	require.NoError(t, m.Allocate(hugePage, hugePage))
	size, err = m.Size()
	require.NoError(t, err)
	assert.EqualValues(t, 2*hugePage, size)
	mapping := mapFile(t, m, hugePage, hugePage, memfd.ReadWrite)
	mapping.Bytes()[0] = 1

	if err := m.Allocate(0, 1<<40); assert.ErrorIs(t, err, unix.ENOSPC) {
		assert.ErrorContains(t, err, "memfd: Allocate: too few huge pages of 2097152 bytes are free")
	}
}
