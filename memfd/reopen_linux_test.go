package memfd_test

import (
	"errors"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

func TestReopenReadOnly(t *testing.T) {
	m := createWith(t, "0123456789", memfd.AllowSealing)
	_, err := m.Seek(5, io.SeekStart)
	require.NoError(t, err)
	f, err := m.ReopenReadOnly()
	require.NoError(t, err)
	defer f.Close()
	cloexec, err := f.Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(text), "from an offset of its own")
	assert.EqualValues(t, 5, offset(t, m))
	_, err = f.Write([]byte("x"))
	require.ErrorIs(t, err, unix.EBADF)

	// TestAccessMode has the calls that fail.
	r, err := memfd.FromFD(f)
	require.NoError(t, err)
	defer r.Close()
	copy(mapFile(t, r, 0, 10, memfd.CopyOnWrite).Bytes(), "own")
	assert.Equal(t, "0123456789", string(mapFile(t, r, 0, 10, memfd.ReadOnly).Bytes()))
	assert.Equal(t, "0123456789", content(t, m))

	// It keeps its access mode when it is opened again.
	again, err := r.ReopenReadOnly()
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

// A read-only descriptor does not prevent that any user opens the file for writing. A seal
// prevents the write.
func TestReopenForWriting(t *testing.T) {
	const first = 3
	if systest.IsChild(t.Name()) {
		becomeNobody(t)
		for number, sealed := range map[int]bool{first: false, first + 1: true} {
			reader, err := memfd.FromFD(fd.New(number))
			require.NoError(t, err)
			_, err = reader.WriteAt([]byte("x"), 0)
			require.ErrorIs(t, err, unix.EBADF)
			writer := reopened(t, reader, unix.O_RDWR)
			_, err = writer.WriteAt([]byte("nobody"), 0)
			if sealed {
				require.ErrorIs(t, err, unix.EPERM)
			} else {
				require.NoError(t, err)
			}
			require.NoError(t, reader.Close())
		}
		return
	}
	systest.NotEmulated(t, "the emulator changes neither users nor namespaces")
	systest.NeedUser(t, 65534, 65534)
	// The option makes the mode 0666 on every kernel.
	open := createWith(t, "0123456789", memfd.WithoutExecSeal)
	sealed := createWith(t, "0123456789", memfd.WithoutExecSeal, memfd.AllowSealing)
	require.NoError(t, sealed.Seal(memfd.SealWrite))
	var files []*os.File
	for _, m := range []*memfd.MemFD{open, sealed} {
		f, err := m.ReopenReadOnly()
		require.NoError(t, err)
		defer f.Close()
		file, err := f.File("")
		require.NoError(t, err)
		defer file.Close()
		files = append(files, file)
	}
	runChild(t, nil, files...)
	assert.Equal(t, "nobody6789", content(t, open))
	assert.Equal(t, "0123456789", content(t, sealed))
}

// Without /proc, the calls that use it return an error that says so.
func TestWithoutProc(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		systest.InMountNamespace(t, t.Name(), 0)
		return
	}
	m := createWith(t, "0123456789", memfd.AllowSealing)
	systest.Mount(t, "none", "/proc", "tmpfs", 0)

	_, err := m.ReopenReadOnly()
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "/proc is not mounted")

	// A decoy at the path that Start executes.
	require.NoError(t, os.MkdirAll("/proc/self/fd", 0o777))
	require.NoError(t, os.WriteFile("/proc/self/fd/3", []byte("#!/bin/sh\n"), 0o777))
	err = m.Start(command(t, "decoy"))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "/proc is not")

	f, err := m.FD().Dup()
	require.NoError(t, err)
	defer f.Close()
	_, err = memfd.FromFD(f)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "/proc is not mounted")
	assert.True(t, f.Valid())

	mapFile(t, m, 0, 10, memfd.ReadWrite)
	err = m.Seal(memfd.SealWrite)
	require.ErrorIs(t, err, unix.EBUSY)
	require.ErrorContains(t, err, "the file is mapped, or a transfer holds its pages")
}

func TestReopenTooManyDescriptors(t *testing.T) {
	m := create(t)
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	_, err := m.ReopenReadOnly()
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	require.ErrorIs(t, err, unix.EMFILE)
}
