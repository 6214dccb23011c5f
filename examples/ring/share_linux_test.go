package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
)

// Without a seal, the other side could cut the memory off under the mapping, or add a seal
// that forbids writing.
func TestSeals(t *testing.T) {
	for _, have := range []memfd.Seal{0, memfd.SealShrink, memfd.SealGrow | memfd.SealSeal, seals &^ memfd.SealSeal, seals &^ memfd.SealShrink, seals &^ memfd.SealGrow} {
		m, err := memfd.New("lax", memfd.AllowSealing)
		require.NoError(t, err)
		require.NoError(t, m.Truncate(headerSize+minRing))
		require.NoError(t, m.Seal(have))
		s := share{memory: m}
		s.data, err = eventfd.New(0)
		require.NoError(t, err)
		s.room, err = eventfd.New(0)
		require.NoError(t, err)
		var got share
		memory, data, room := duplicates(t, &s)
		err = got.receive(memory, data, room)
		assert.ErrorContains(t, err, "lacks the seals "+(seals&^have).String())
		assert.Zero(t, got)
		for _, f := range []*fd.FD{memory, data, room} {
			assert.False(t, f.Valid(), "it is closed")
		}
		require.NoError(t, s.close())
	}
}

// The memory is sealed, so that neither side can take it from the other.
func TestSealed(t *testing.T) {
	var s share
	require.NoError(t, s.create(minRing))
	defer s.close()
	for _, size := range []int64{0, headerSize, headerSize + 2*minRing} {
		assert.ErrorIs(t, s.memory.Truncate(size), unix.EPERM)
	}
	assert.ErrorIs(t, s.memory.Seal(memfd.SealFutureWrite), unix.EPERM)
}

// Each descriptor is looked at, and all are closed when one is of another kind.
func TestWrongKinds(t *testing.T) {
	for at, want := range []string{"the memory of the ring", "the counter of data", "the counter of room"} {
		for what, open := range map[string]func() (int, error){
			"file":      func() (int, error) { return unix.Open("/dev/zero", unix.O_RDWR|unix.O_CLOEXEC, 0) },
			"other one": func() (int, error) { return other(at) },
			"none":      func() (int, error) { return 1000, nil },
		} {
			var s, got share
			require.NoError(t, s.create(minRing))
			var fds [3]*fd.FD
			fds[0], fds[1], fds[2] = duplicates(t, &s)
			require.NoError(t, fds[at].Close())
			number, err := open()
			require.NoError(t, err)
			fds[at] = fd.New(number)
			err = got.receive(fds[0], fds[1], fds[2])
			assert.ErrorContains(t, err, want, what)
			assert.Zero(t, got)
			require.NoError(t, s.close())
		}
	}
}

// other returns a descriptor of the kind that is not wanted at the place.
func other(at int) (int, error) {
	if at == 0 {
		return unix.Eventfd(0, unix.EFD_CLOEXEC)
	}
	return unix.MemfdCreate("other", unix.MFD_CLOEXEC)
}

// A size that no ring has is refused, however well it is sealed.
func TestWrongSize(t *testing.T) {
	for _, size := range []int64{0, 1, headerSize, headerSize + 1, headerSize + minRing/2, headerSize + minRing - 1, headerSize + minRing + 1, headerSize + 3*minRing, headerSize + 2*maxRing, 1 << 40} {
		m, err := memfd.New("odd", memfd.AllowSealing)
		require.NoError(t, err)
		if err := m.Truncate(size); err != nil { // over what the kernel has
			require.NoError(t, m.Close())
			continue
		}
		require.NoError(t, m.Seal(seals))
		s := share{memory: m}
		_, err = s.writer(nil)
		assert.ErrorContains(t, err, "not a power of two from 4096 to 1073741824", size)
		_, err = s.reader(nil)
		assert.Error(t, err)
		require.NoError(t, s.close())
	}
}

// If descriptors run out, the descriptors of the share are closed.
func TestShareFewDescriptors(t *testing.T) {
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	lowest, err := os.Open("/dev/null")
	require.NoError(t, err)
	next := uint64(lowest.Fd())
	require.NoError(t, lowest.Close())
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }()
	failed := 0
	for more := range uint64(12) {
		few := limit
		few.Cur = next + more
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &few))
		s, err := newSetup(minRing)
		if err != nil {
			failed++
			assert.ErrorIs(t, err, unix.EMFILE)
		}
		assert.NoError(t, s.close())
	}
	assert.Equal(t, 12, failed, "it takes more")
}
