package memfd_test

import (
	"fmt"
	"math"
	"math/bits"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/memfd"
)

func mapFile(t *testing.T, m *memfd.MemFD, off int64, n int, prot memfd.Prot) *memfd.Mapping {
	t.Helper()
	mapping, err := m.Map(off, n, prot)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, mapping.Close()) })
	require.Len(t, mapping.Bytes(), n)
	require.Equal(t, n, cap(mapping.Bytes()), "nothing to append into")
	return mapping
}

func TestMapCoherence(t *testing.T) {
	page := os.Getpagesize()
	m := createWith(t, strings.Repeat("a", 2*page))
	whole := mapFile(t, m, 0, 2*page, memfd.ReadWrite)
	second := mapFile(t, m, int64(page), 10, memfd.ReadOnly)

	copy(whole.Bytes()[page:], "by mapping")
	p := make([]byte, 10)
	_, err := m.ReadAt(p, int64(page))
	require.NoError(t, err)
	assert.Equal(t, "by mapping", string(p))
	assert.Equal(t, "by mapping", string(second.Bytes()))

	_, err = m.WriteAt([]byte("by writing"), int64(page))
	require.NoError(t, err)
	assert.Equal(t, "by writing", string(whole.Bytes()[page:page+10]))
	assert.Equal(t, "by writing", string(second.Bytes()))
}

func TestMapCopyOnWrite(t *testing.T) {
	m := createWith(t, "0123456789")
	private := mapFile(t, m, 0, 10, memfd.CopyOnWrite)
	other := mapFile(t, m, 0, 10, memfd.CopyOnWrite)
	copy(private.Bytes(), "xyz")
	assert.Equal(t, "xyz3456789", string(private.Bytes()))
	assert.Equal(t, "0123456789", string(other.Bytes()))
	assert.Equal(t, "0123456789", content(t, m))
	_, err := m.WriteAt([]byte("ABC"), 0)
	require.NoError(t, err)
	assert.Equal(t, "xyz3456789", string(private.Bytes()), "the page is a copy by now")
}

func TestMapOutlivesFile(t *testing.T) {
	m := createWith(t, "0123456789")
	mapping := mapFile(t, m, 0, 10, memfd.ReadWrite)
	require.NoError(t, m.Close())
	copy(mapping.Bytes(), "x")
	assert.Equal(t, "x123456789", string(mapping.Bytes()))
}

func TestMapSealed(t *testing.T) {
	m, err := memfd.NewSealed("blob", []byte("0123456789"))
	require.NoError(t, err)
	defer m.Close()
	mapping := mapFile(t, m, 0, 10, memfd.ReadOnly)
	assert.Equal(t, "0123456789", string(mapping.Bytes()))
}

func TestMapRefused(t *testing.T) {
	page := int64(os.Getpagesize())
	m := create(t)
	require.NoError(t, m.Truncate(2*page))
	for _, tt := range []struct {
		off  int64
		n    int
		prot memfd.Prot
		want string
	}{
		{0, 0, memfd.ReadOnly, "length 0 is not positive"},
		{0, -1, memfd.ReadOnly, "length -1 is not positive"},
		{0, math.MinInt, memfd.ReadOnly, "is not positive"},
		{-page, 1, memfd.ReadOnly, "is negative"},
		{math.MinInt64, 1, memfd.ReadOnly, "is negative"},
		{1, 1, memfd.ReadOnly, "offset 1 is not a multiple of the page size"},
		{page - 1, 1, memfd.ReadOnly, "is not a multiple"},
		{0, 2*int(page) + 1, memfd.ReadOnly, "end past the file's size"},
		{page, int(page) + 1, memfd.ReadOnly, "end past the file's size"},
		{2 * page, 1, memfd.ReadOnly, "end past the file's size"},
		{page, math.MaxInt, memfd.ReadOnly, "end past the file's size"},
		{math.MaxInt64 &^ (page - 1), math.MaxInt, memfd.ReadOnly, "end past the file's size"},
		{0, 1, -1, "prot -1 is none of"},
		{0, 1, 3, "prot 3 is none of"},
	} {
		mapping, err := m.Map(tt.off, tt.n, tt.prot)
		require.ErrorIs(t, err, unix.EINVAL, "%+v", tt)
		require.ErrorContains(t, err, tt.want)
		require.Nil(t, mapping)
	}
}

// A length or an offset that mmap(2) cannot take is an argument error. A length that is
// too much for the process is an error of mmap(2).
func TestMapTooMuch(t *testing.T) {
	m := create(t)
	if err := m.Truncate(math.MaxInt64); err != nil {
		require.ErrorIs(t, err, unix.EFBIG) // a 32-bit kernel
		require.NoError(t, m.Truncate(1<<40))
	}
	page := os.Getpagesize()
	invalid := func(off int64, n int) {
		t.Helper()
		for _, prot := range []memfd.Prot{memfd.ReadOnly, memfd.ReadWrite, memfd.CopyOnWrite} {
			_, err := m.Map(off, n, prot)
			require.ErrorIs(t, err, unix.EINVAL)
			require.ErrorContains(t, err, fmt.Sprintf("memfd: Map: %d bytes from offset %d are out of range", n, off))
		}
	}
	invalid(0, math.MaxInt)
	invalid(0, math.MaxInt-page+2)
	if off := int64(1) << 44; bits.UintSize == 32 {
		if size, err := m.Size(); assert.NoError(t, err) && off < size {
			invalid(off, 1)
		}
	}
	for _, n := range []int{math.MaxInt - page + 1} {
		mapping, err := m.Map(0, n, memfd.ReadOnly)
		if err == nil { // a 32-bit process on a 64-bit kernel has room for 2 GiB, one on s390x for 2⁶⁴ bytes
			require.NoError(t, mapping.Close())
			require.True(t, bits.UintSize == 32 || runtime.GOARCH == "s390x")
			continue
		}
		var call *os.SyscallError
		require.ErrorAs(t, err, &call, "%d", n)
	}
}

func TestMappingClose(t *testing.T) {
	m := createWith(t, "0123456789")
	mapping, err := m.Map(0, 10, memfd.ReadWrite)
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_ = mapping.Bytes()
			assert.NoError(t, mapping.Close())
			assert.Nil(t, mapping.Bytes())
		})
	}
	group.Wait()
	require.NoError(t, mapping.Close())
	assert.Nil(t, new(memfd.Mapping).Bytes())
	require.NoError(t, new(memfd.Mapping).Close())
}

// touch reports whether f faults.
func touch(f func()) (faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { faulted = recover() != nil }()
	f()
	return false
}

// An access that the documentation calls a fault raises a signal.
func TestMapFaults(t *testing.T) {
	page := os.Getpagesize()
	m := create(t)
	require.NoError(t, m.Truncate(2*int64(page)))
	readOnly := mapFile(t, m, 0, 2*page, memfd.ReadOnly).Bytes()
	assert.True(t, touch(func() { readOnly[0] = 1 }), "writing to a read-only mapping")
	assert.False(t, touch(func() { _ = string(readOnly[page : page+1]) }))
	require.NoError(t, m.Truncate(1))
	assert.True(t, touch(func() { _ = string(readOnly[page : page+1]) }), "a page that the file has lost")
	assert.False(t, touch(func() { _ = string(readOnly[:1]) }))
}

func TestProtString(t *testing.T) {
	assert.Equal(t, "ReadOnly ReadWrite CopyOnWrite Prot(7)", strings.Join([]string{
		memfd.ReadOnly.String(), memfd.ReadWrite.String(), memfd.CopyOnWrite.String(), memfd.Prot(7).String(),
	}, " "))
}
