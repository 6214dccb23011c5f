package memfd_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

const hugePage = 2 << 20

// huge makes a file of huge pages. It skips the test on a machine that has none of this
// size, which New must report.
func huge(t *testing.T, opts ...memfd.Option) *memfd.MemFD {
	t.Helper()
	m, err := memfd.New("huge", append(opts, memfd.HugeTLB(hugePage))...)
	if err != nil {
		var call *os.SyscallError
		require.ErrorAs(t, err, &call)
		require.True(t, errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS), "%v", err)
		t.Skipf("needs huge pages: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// reserve adds n huge pages to the machine's pool until the test ends. It skips the
// test if the machine has none.
func reserve(t *testing.T, n int) {
	t.Helper()
	const pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
	size := func() int {
		text, err := os.ReadFile(pool)
		systest.Need(t, "huge pages", err)
		have, err := strconv.Atoi(strings.TrimSpace(string(text)))
		require.NoError(t, err)
		return have
	}
	before := size()
	if err := os.WriteFile(pool, []byte(strconv.Itoa(before+n)), 0); err != nil {
		systest.Need(t, "huge pages", err)
	}
	t.Cleanup(func() { require.NoError(t, os.WriteFile(pool, []byte(strconv.Itoa(before)), 0)) })
	if systest.Emulated() { // which maps small pages
		t.Skip("no huge pages to be had")
	}
	if size() < before+n {
		systest.Need(t, "huge pages", unix.ENOSPC)
	}
}

// These calls have the same result with and without huge pages.
func TestHugeTLB(t *testing.T) {
	m := huge(t, memfd.AllowSealing)
	for _, write := range []func() (int, error){
		func() (int, error) { return m.Write([]byte("x")) },
		func() (int, error) { return m.WriteAt([]byte("x"), 0) },
	} {
		_, err := write()
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, "huge pages are written by way of mappings only")
	}
	for _, size := range []int64{1, 4096, hugePage - 1, hugePage + 1} {
		err := m.Truncate(size)
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, "the size is a multiple of 2097152")
	}
	const size = 1 << 30
	require.NoError(t, m.Truncate(size))
	for _, off := range []int64{1, 4096, hugePage - 1} {
		_, err := m.Map(off, 10, memfd.ReadWrite)
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, "page size of 2097152")
	}
	if !systest.Emulated() {
		mapping, err := m.Map(0, size, memfd.ReadWrite)
		if err == nil { // a machine with a pool of 1 GiB
			require.NoError(t, mapping.Close())
		} else {
			require.ErrorIs(t, err, unix.ENOMEM)
			require.ErrorContains(t, err, "too few huge pages of 2097152 bytes are free")
		}
	}
	p := []byte("0123456789")
	_, err := m.ReadAt(p, hugePage-5)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(make([]byte, 10), p), "unwritten bytes read as zeros")

	for whence, want := range map[int]int64{unix.SEEK_DATA: hugePage, unix.SEEK_HOLE: size} {
		at, err := m.Seek(hugePage, whence)
		require.NoError(t, err)
		assert.Equal(t, want, at, "all is data")
	}

	require.NoError(t, m.Seal(memfd.SealShrink))
	err = m.Truncate(0)
	require.ErrorIs(t, err, unix.EPERM)
	require.ErrorContains(t, err, "the file is sealed against it (shrink)")
}

// A received file reports every size that the machine lists.
func TestHugeTLBListed(t *testing.T) {
	sizes, err := filepath.Glob("/sys/kernel/mm/hugepages/hugepages-*kB")
	require.NoError(t, err)
	for _, name := range sizes {
		var size int64
		_, err := fmt.Sscanf(filepath.Base(name), "hugepages-%dkB", &size)
		require.NoError(t, err)
		size <<= 10
		m, err := memfd.New("huge", memfd.HugeTLB(size))
		require.NoError(t, err)
		require.NoError(t, m.Truncate(size))
		require.ErrorContains(t, m.Truncate(size+1), fmt.Sprintf("the size is a multiple of %d", size))
		f, err := m.FD().Dup()
		require.NoError(t, err)
		received, err := memfd.FromFD(f)
		require.NoError(t, err)
		_, err = received.Map(size/2, 1, memfd.ReadOnly)
		require.ErrorContains(t, err, fmt.Sprintf("page size of %d", size))
		require.NoError(t, received.Close())
		require.NoError(t, m.Close())
	}
}

// A hole loses the reservation of Map, and a fault there finds an empty pool. SealShrink
// does not forbid holes.
func TestHugeTLBHole(t *testing.T) {
	reserve(t, 1)
	m, thief := huge(t, memfd.AllowSealing), huge(t)
	var mapping *memfd.Mapping
	for _, file := range []*memfd.MemFD{m, thief} {
		require.NoError(t, file.Truncate(hugePage))
	}
	require.NoError(t, m.Seal(memfd.SealShrink|memfd.SealGrow))
	mapping = mapFile(t, m, 0, hugePage, memfd.ReadWrite)
	mapping.Bytes()[0] = 1
	if stolen, err := thief.Map(0, hugePage, memfd.ReadWrite); err == nil {
		require.NoError(t, stolen.Close())
		t.Skip("the pool has more pages than ours")
	}
	require.NoError(t, m.PunchHole(0, hugePage))
	mapFile(t, thief, 0, hugePage, memfd.ReadWrite).Bytes()[0] = 1
	if !systest.OlderThan(t, 5, 14) {
		assert.ErrorIs(t, mapping.Advise(memfd.Populate), unix.EFAULT)
	}
	assert.True(t, touch(func() { mapping.Bytes()[0] = 1 }))
}

// The seals that protect a receiver from such holes. The receiver finds huge pages as the
// package documentation says.
func TestHugeTLBTold(t *testing.T) {
	for _, seal := range []memfd.Seal{memfd.SealWrite, memfd.SealFutureWrite} {
		m := huge(t, memfd.AllowSealing)
		require.NoError(t, m.Truncate(hugePage))
		require.NoError(t, m.Seal(memfd.SealShrink))
		require.NoError(t, m.PunchHole(0, hugePage))
		require.NoError(t, m.Seal(seal))
		require.ErrorIs(t, m.PunchHole(0, hugePage), unix.EPERM)
	}
	for _, m := range []*memfd.MemFD{huge(t), create(t)} {
		a, b := socketPair(t, unix.SOCK_STREAM)
		require.NoError(t, m.SendTo(a))
		r, err := memfd.ReceiveFrom(b, 0)
		require.NoError(t, err)
		var st unix.Statfs_t
		require.NoError(t, unix.Fstatfs(r.Fd(), &st))
		assert.Equal(t, m.Name() == "huge", uint32(st.Type) == unix.HUGETLBFS_MAGIC)
		require.NoError(t, r.Close())
	}
}

func TestHugeTLBPages(t *testing.T) {
	reserve(t, 3)
	m := huge(t, memfd.AllowSealing)
	require.NoError(t, m.Truncate(3*hugePage))
	mapping, err := m.Map(hugePage, hugePage+10, memfd.ReadWrite)
	require.NoError(t, err)
	copy(mapping.Bytes(), "0123456789")
	copy(mapping.Bytes()[hugePage:], "abcdefghij")

	// Parts of pages become zeros, and whole pages are freed.
	require.NoError(t, m.PunchHole(hugePage+5, 2))
	if mapping.Bytes()[5] == '5' {
		require.NoError(t, mapping.Close())
		systest.SkipUnsupported(t, fmt.Errorf("hole in a part of a huge page: %w", errors.ErrUnsupported), 6, 0)
	}
	assert.Equal(t, "01234\x00\x00789", string(mapping.Bytes()[:10]))
	require.NoError(t, m.PunchHole(2*hugePage, hugePage))
	assert.Equal(t, byte(0), mapping.Bytes()[hugePage])
	require.NoError(t, mapping.Close(), "munmap wants whole huge pages")

	require.NoError(t, m.Seal(memfd.SealWrite|memfd.SealGrow|memfd.SealShrink))
	f, err := m.ReopenReadOnly()
	require.NoError(t, err)
	received, err := memfd.FromFD(f)
	require.NoError(t, err)
	defer received.Close()
	text := make([]byte, 10)
	_, err = received.ReadAt(text, hugePage)
	require.NoError(t, err)
	assert.Equal(t, "01234\x00\x00789", string(text))
	for _, prot := range []memfd.Prot{memfd.ReadOnly, memfd.CopyOnWrite} {
		mapping, err := received.Map(hugePage, 10, prot)
		require.NoError(t, err, "%v", prot)
		assert.Equal(t, "01234\x00\x00789", string(mapping.Bytes()))
		require.NoError(t, mapping.Close())
	}
	_, err = received.Map(4096, 10, memfd.ReadOnly)
	require.ErrorContains(t, err, "page size of 2097152", "the received file has the same page size")
}
