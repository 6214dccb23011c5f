package memfd_test

import (
	"encoding/binary"
	"math"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/memfd"
)

// A word and the slice are the same memory, at every aligned offset.
func TestWords(t *testing.T) {
	m := create(t)
	page := os.Getpagesize()
	require.NoError(t, m.Truncate(2*int64(page)))
	mapping := mapFile(t, m, int64(page), 40, memfd.ReadWrite)
	other := mapFile(t, m, 0, 2*page, memfd.ReadOnly)
	for off := 0; off+4 <= 40; off += 4 {
		mapping.Uint32(off).Store(0x01020304 + uint32(off))
		assert.Equal(t, 0x01020304+uint32(off), binary.NativeEndian.Uint32(mapping.Bytes()[off:]))
		assert.Equal(t, 0x01020304+uint32(off), other.Uint32(page+off).Load())
	}
	for off := 0; off+8 <= 40; off += 8 {
		binary.NativeEndian.PutUint64(mapping.Bytes()[off:], 1<<63|uint64(off))
		assert.Equal(t, 1<<63|uint64(off), mapping.Uint64(off).Load())
		assert.Equal(t, 1<<63|uint64(off)+1, mapping.Uint64(off).Add(1))
		assert.Equal(t, 1<<63|uint64(off)+1, other.Uint64(page+off).Load())
	}
}

// A word that is not wholly within the mapping, or not aligned, is nil.
func TestWordsRefused(t *testing.T) {
	m := createWith(t, "0123456789")
	mapping := mapFile(t, m, 0, 10, memfd.ReadWrite)
	for off := -20; off < 40; off++ {
		assert.Equal(t, off == 0 || off == 4, mapping.Uint32(off) != nil, "Uint32(%d) of 10 bytes", off)
		assert.Equal(t, off == 0, mapping.Uint64(off) != nil, "Uint64(%d) of 10 bytes", off)
	}
	for _, off := range []int{math.MinInt, math.MinInt + 8, math.MaxInt, math.MaxInt &^ 7, math.MaxInt &^ 3, os.Getpagesize()} {
		assert.Nil(t, mapping.Uint32(off), "%d", off)
		assert.Nil(t, mapping.Uint64(off), "%d", off)
	}
	short := mapFile(t, m, 0, 3, memfd.ReadOnly)
	assert.Nil(t, short.Uint32(0))
	assert.Nil(t, short.Uint64(0))
	assert.Nil(t, new(memfd.Mapping).Uint32(0))
	assert.Nil(t, new(memfd.Mapping).Uint64(0))
}

func TestWordsProt(t *testing.T) {
	m := createWith(t, "0123456789")
	want := binary.NativeEndian.Uint64([]byte("01234567"))
	readOnly := mapFile(t, m, 0, 10, memfd.ReadOnly)
	assert.Equal(t, want, readOnly.Uint64(0).Load())
	private := mapFile(t, m, 0, 10, memfd.CopyOnWrite)
	private.Uint64(0).Store(0)
	assert.Equal(t, want, readOnly.Uint64(0).Load(), "the copy is private")
}

func TestWordsConcurrently(t *testing.T) {
	m, mapping := newShared(t, 16)
	second := mapFile(t, m, 0, 16, memfd.ReadWrite)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			mapping := []*memfd.Mapping{mapping, second}[i%2]
			for range 1000 {
				mapping.Uint32(0).Add(1)
				mapping.Uint64(8).Add(1 << 32)
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 8000, mapping.Uint32(0).Load())
	assert.Equal(t, uint64(8000)<<32, mapping.Uint64(8).Load())
}

// Close may come at any time between the calls that return words.
func TestWordsClosed(t *testing.T) {
	mapping, err := createWith(t, "01234567").Map(0, 8, memfd.ReadWrite)
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for mapping.Uint32(4) != nil {
			}
			assert.Nil(t, mapping.Uint64(0))
		})
	}
	require.NoError(t, mapping.Close())
	group.Wait()
	assert.Nil(t, mapping.Uint32(0))
	assert.Nil(t, mapping.Uint32(-1))
}
