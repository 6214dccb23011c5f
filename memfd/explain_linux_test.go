package memfd_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

// reopened opens the file again, with an access mode of its own.
func reopened(t *testing.T, m *memfd.MemFD, mode int) *memfd.MemFD {
	t.Helper()
	number, err := unix.Open(m.Path(), mode|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	r, err := memfd.FromFD(fd.New(number))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// The error says that the descriptor is not open for the access, with and without seals.
func TestAccessMode(t *testing.T) {
	mapped := func(m *memfd.MemFD, prot memfd.Prot) error {
		mapping, err := m.Map(0, 10, prot)
		if err != nil {
			return err
		}
		return mapping.Close()
	}
	for _, seals := range []memfd.Seal{0, memfd.SealWrite | memfd.SealShrink | memfd.SealGrow} {
		m := createWith(t, "0123456789", memfd.AllowSealing)
		require.NoError(t, m.Seal(seals))
		reader, writer := reopened(t, m, unix.O_RDONLY), reopened(t, m, unix.O_WRONLY)
		for _, tt := range []struct {
			name string
			do   func(*memfd.MemFD) error
			read error // through the reader, where it fails
			// through the writer; of what seals forbid, too, nothing is asked
			write error
		}{
			{"Read", func(m *memfd.MemFD) error { _, err := m.Read(make([]byte, 1)); return err }, nil, unix.EBADF},
			{"ReadAt", func(m *memfd.MemFD) error { _, err := m.ReadAt(make([]byte, 1), 0); return err }, nil, unix.EBADF},
			{"Write", func(m *memfd.MemFD) error { _, err := m.Write([]byte("x")); return err }, unix.EBADF, nil},
			{"WriteAt", func(m *memfd.MemFD) error { _, err := m.WriteAt([]byte("x"), 0); return err }, unix.EBADF, nil},
			{"Truncate", func(m *memfd.MemFD) error { return m.Truncate(5) }, unix.EINVAL, nil},
			{"Truncate", func(m *memfd.MemFD) error { return m.Truncate(10) }, unix.EINVAL, nil},
			{"Allocate", func(m *memfd.MemFD) error { return m.Allocate(0, 1) }, unix.EBADF, nil},
			{"PunchHole", func(m *memfd.MemFD) error { return m.PunchHole(0, 1) }, unix.EBADF, nil},
			{"Map", func(m *memfd.MemFD) error { return mapped(m, memfd.ReadOnly) }, nil, unix.EACCES},
			{"Map", func(m *memfd.MemFD) error { return mapped(m, memfd.CopyOnWrite) }, nil, unix.EACCES},
			{"Map", func(m *memfd.MemFD) error { return mapped(m, memfd.ReadWrite) }, unix.EACCES, unix.EACCES},
			{"Seal(grow)", func(m *memfd.MemFD) error { return m.Seal(memfd.SealGrow) }, unix.EPERM, nil},
		} {
			err := tt.do(reader)
			require.ErrorIs(t, err, tt.read, tt.name)
			if tt.read != nil {
				assert.ErrorContains(t, err, "iofd: memfd: "+tt.name+": the descriptor is not open for writing: ")
			}
			err = tt.do(writer)
			if tt.write != nil {
				require.ErrorIs(t, err, tt.write, tt.name)
				assert.ErrorContains(t, err, "iofd: memfd: "+tt.name+": the descriptor is not open for reading: ")
			} else if seals == 0 {
				require.NoError(t, err, tt.name)
			}
		}
	}
}

// The error names the seals that forbid the operation by themselves.
func TestSealsBlamed(t *testing.T) {
	page := int64(os.Getpagesize())
	m := create(t, memfd.AllowSealing, memfd.WithoutExecSeal)
	require.NoError(t, m.Truncate(page))
	require.NoError(t, m.Seal(memfd.SealGrow))
	_, err := m.WriteAt([]byte("x"), page)
	assert.EqualError(t, err, "iofd: memfd: WriteAt: the file is sealed against it (grow): pwrite64: operation not permitted")
	require.NoError(t, m.Seal(memfd.SealShrink|memfd.SealFutureWrite|memfd.SealWrite))
	_, err = m.Write([]byte("x"))
	assert.EqualError(t, err, "iofd: memfd: Write: the file is sealed against it (write|future_write): write: operation not permitted")
	assert.EqualError(t, m.Truncate(1), "iofd: memfd: Truncate: the file is sealed against it (shrink): ftruncate: operation not permitted")
	assert.EqualError(t, m.Truncate(2*page), "iofd: memfd: Truncate: the file is sealed against it (grow): ftruncate: operation not permitted")
	assert.EqualError(t, m.PunchHole(0, 1), "iofd: memfd: PunchHole: the file is sealed against it (write|future_write): fallocate: operation not permitted")
	_, err = m.Map(0, 1, memfd.ReadWrite)
	assert.EqualError(t, err, "iofd: memfd: Map: the file is sealed against it (write|future_write): mmap: operation not permitted")
	require.NoError(t, m.Seal(memfd.SealSeal))
	assert.EqualError(t, m.Seal(memfd.SealWrite), "iofd: memfd: Seal(write): the file is sealed against it (seal): fcntl: operation not permitted")
	err = m.Seal(memfd.SealExec)
	if errors.Is(err, errors.ErrUnsupported) {
		systest.SkipUnsupported(t, err, 6, 3)
	}
	assert.EqualError(t, err, "iofd: memfd: Seal(exec): the file is sealed against it (seal): fcntl: operation not permitted")
}

// An error without a known reason stays as it is.
func TestNotExplained(t *testing.T) {
	m := create(t)
	_, err := m.Seek(0, unix.SEEK_DATA)
	require.EqualError(t, err, "lseek: no such device or address")
}
