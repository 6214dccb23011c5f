package memfd_test

import (
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

// newShared makes memory that is closed and unmapped at the end of the test.
func newShared(t *testing.T, size int) (*memfd.MemFD, *memfd.Mapping) {
	t.Helper()
	m, mapping, err := memfd.NewShared("shared", size)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, mapping.Close())
		require.NoError(t, m.Close())
	})
	return m, mapping
}

func TestNewShared(t *testing.T) {
	for _, size := range []int{1, 10, os.Getpagesize(), 3*os.Getpagesize() + 1} {
		m, mapping := newShared(t, size)
		assert.Equal(t, "shared", m.Name())
		assert.Equal(t, make([]byte, size), mapping.Bytes())
		seals, err := m.Seals()
		require.NoError(t, err)
		assert.Equal(t, memfd.SealShrink|memfd.SealGrow, seals&^memfd.SealExec)
		for _, other := range []int64{0, int64(size) - 1, int64(size) + 1} {
			assert.ErrorIs(t, m.Truncate(other), unix.EPERM)
		}

		mapping.Bytes()[size-1] = 'x'
		other := mapFile(t, m, 0, size, memfd.ReadOnly)
		assert.Equal(t, byte('x'), other.Bytes()[size-1])
		require.NoError(t, m.Seal(memfd.SealSeal))
	}
}

func TestNewSharedRefused(t *testing.T) {
	for _, size := range []int{0, -1, math.MinInt} {
		m, mapping, err := memfd.NewShared("shared", size)
		assert.ErrorIs(t, err, unix.EINVAL, "%d", size)
		assert.ErrorContains(t, err, "memfd: NewShared: size")
		assert.Nil(t, m)
		assert.Nil(t, mapping)
	}
	for _, name := range []string{"NUL\x00", strings.Repeat("x", 250)} {
		_, _, err := memfd.NewShared(name, 1)
		assert.ErrorIs(t, err, unix.EINVAL)
	}
	// Map fails, because few processes have that room.
	for _, size := range []int{math.MaxInt, math.MaxInt/2 + 1} {
		before := systest.OpenDescriptors()
		m, mapping, err := memfd.NewShared("shared", size)
		if err == nil { // a 32-bit process on a 64-bit kernel has room for 1 GiB, one on s390x for 2⁶⁴ bytes
			require.NoError(t, mapping.Close())
			require.NoError(t, m.Close())
			require.True(t, size == 1<<30 || runtime.GOARCH == "s390x", "%d", size)
			continue
		}
		assert.Nil(t, m)
		assert.Nil(t, mapping)
		assert.Empty(t, before.Left())
	}
}

// If a step fails, NewShared returns its error, and nothing is left.
func TestNewSharedFails(t *testing.T) {
	_, _ = memfd.KernelExecSeal() // which makes the same calls
	for call, refusal := range map[string]systest.Refusal{
		"memfd_create": {Call: unix.SYS_MEMFD_CREATE, Errno: unix.ENOMEM},
		"ftruncate":    {Call: systest.Ftruncate, Errno: unix.ENOMEM},
		"fcntl":        {Call: systest.Fcntl, Errno: unix.ENOMEM, Arg: 2, Value: unix.F_ADD_SEALS},
	} {
		before := systest.OpenDescriptors()
		systest.Refuse(t, func() {
			m, mapping, err := memfd.NewShared("shared", 1)
			assert.ErrorIs(t, err, unix.ENOMEM, call)
			var named *os.SyscallError
			if assert.ErrorAs(t, err, &named) {
				assert.Equal(t, call, named.Syscall)
			}
			assert.Nil(t, m)
			assert.Nil(t, mapping)
		}, refusal)
		assert.Empty(t, before.Left(), call)
	}
}

// Three processes add to the same words. No addition is lost.
func TestSharedByProcesses(t *testing.T) {
	const n, children = 10_000, 2
	add := func(m *memfd.Mapping) {
		for range n {
			m.Uint32(4).Add(1)
			for word := m.Uint32(4092); ; {
				if old := word.Load(); word.CompareAndSwap(old, old+3) {
					break
				}
			}
		}
	}
	if systest.IsChild(t.Name()) {
		m, err := memfd.FromFD(fd.New(3))
		require.NoError(t, err)
		mapping, err := m.Map(0, 4096, memfd.ReadWrite)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		add(mapping)
		require.NoError(t, mapping.Close())
		return
	}
	m, mapping := newShared(t, 4096)
	file, err := m.File("shared")
	require.NoError(t, err)
	defer file.Close()
	var group sync.WaitGroup
	for range children {
		cmd := systest.Child(t, t.Name())
		cmd.ExtraFiles = []*os.File{file}
		group.Go(func() {
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, string(out))
		})
	}
	add(mapping)
	group.Wait()
	assert.EqualValues(t, (children+1)*n, mapping.Uint32(4).Load())
	assert.EqualValues(t, (children+1)*n*3, mapping.Uint32(4092).Load())
}
