package memfd_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

// secret makes secret memory of the given size. It skips the test on a kernel that has
// none.
func secret(t *testing.T, size int64) *memfd.MemFD {
	t.Helper()
	m, err := memfd.NewSecret()
	systest.SkipWithoutSecret(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	if size > 0 {
		require.NoError(t, m.Truncate(size))
	}
	return m
}

func TestSecret(t *testing.T) {
	m := secret(t, 10)
	assert.Empty(t, m.Name())
	cloexec, err := m.FD().Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)
	size, err := m.Size()
	require.NoError(t, err)
	assert.EqualValues(t, 10, size)

	mapping := mapFile(t, m, 0, 10, memfd.ReadWrite)
	copy(mapping.Bytes(), "0123456789")
	assert.Equal(t, "0123456789", string(mapFile(t, m, 0, 10, memfd.ReadOnly).Bytes()))

	d, err := m.Dup()
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, "0123456789", string(mapFile(t, d, 0, 10, memfd.ReadOnly).Bytes()))

	// System calls copy from it and to it.
	file := create(t)
	_, err = file.Write(mapping.Bytes())
	require.NoError(t, err)
	_, err = file.ReadAt(mapping.Bytes()[:5], 5)
	require.NoError(t, err)
	assert.Equal(t, "5678956789", string(mapping.Bytes()))
}

// SendTo sends nothing that no receiver accepts, from a duplicate either.
func TestSecretSend(t *testing.T) {
	m := secret(t, 10)
	d, err := m.Dup()
	require.NoError(t, err)
	defer d.Close()
	a, b := socketPair(t, unix.SOCK_STREAM)
	for _, m := range []*memfd.MemFD{m, d} {
		err := m.SendTo(a)
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, "memfd: SendTo: secret memory cannot be received")
	}
	require.NoError(t, a.Close())
	_, err = memfd.ReceiveFrom(b, 0)
	require.Equal(t, io.EOF, err, "nothing was sent")
}

// Even root cannot read it from outside.
func TestSecretHidden(t *testing.T) {
	m := secret(t, 10)
	mapping := mapFile(t, m, 0, 10, memfd.ReadWrite)
	copy(mapping.Bytes(), "0123456789")
	plain := mapFile(t, createWith(t, "0123456789"), 0, 10, memfd.ReadOnly)
	memory, err := os.Open("/proc/self/mem")
	require.NoError(t, err)
	defer memory.Close()
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	for name, visible := range map[string]bool{"/memfd:test": true, "/secretmem": false} {
		var address int64
		for line := range strings.Lines(string(maps)) {
			if strings.Contains(line, name) {
				_, err := fmt.Sscanf(line, "%x-", &address)
				require.NoError(t, err)
			}
		}
		require.NotZero(t, address, name)
		p := make([]byte, 10)
		_, err := memory.ReadAt(p, address)
		if visible {
			require.NoError(t, err)
			assert.Equal(t, "0123456789", string(p))
		} else {
			require.ErrorIs(t, err, unix.EIO)
		}
	}
	_ = plain

	// A call that keeps the pages fails.
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	vector := unix.Iovec{Base: &mapping.Bytes()[0]}
	vector.SetLen(10)
	_, err = unix.Vmsplice(int(w.Fd()), []unix.Iovec{vector}, 0)
	require.ErrorIs(t, err, unix.EFAULT)
}

func TestSecretRefuses(t *testing.T) {
	m := secret(t, 10)
	mapped := func(prot memfd.Prot) error { _, err := m.Map(0, 10, prot); return err }
	for _, tt := range []struct {
		name string
		do   func() error
		want error
	}{
		{"Read", func() error { _, err := m.Read(make([]byte, 1)); return err }, unix.EINVAL},
		{"Write", func() error { _, err := m.Write([]byte("x")); return err }, unix.EINVAL},
		{"ReadAt", func() error { _, err := m.ReadAt(make([]byte, 1), 0); return err }, unix.ESPIPE},
		{"WriteAt", func() error { _, err := m.WriteAt([]byte("x"), 0); return err }, unix.ESPIPE},
		{"Seek", func() error { _, err := m.Seek(0, io.SeekStart); return err }, unix.ESPIPE},
		{"Write", func() error { _, err := m.ReadFrom(strings.NewReader("x")); return err }, unix.EINVAL},
		{"Read", func() error { _, err := m.WriteTo(io.Discard); return err }, unix.EINVAL},
		{"Truncate", func() error { return m.Truncate(10) }, unix.EINVAL},
		{"Truncate", func() error { return m.Truncate(0) }, unix.EINVAL},
		{"Truncate", func() error { return m.Truncate(20) }, unix.EINVAL},
		{"Allocate", func() error { return m.Allocate(0, 10) }, unix.EOPNOTSUPP},
		{"PunchHole", func() error { return m.PunchHole(0, 10) }, unix.EOPNOTSUPP},
		{"Map", func() error { return mapped(memfd.CopyOnWrite) }, unix.EINVAL},
		{"Seal(write)", func() error { return m.Seal(memfd.SealWrite) }, unix.EINVAL},
		{"Seals", func() error { _, err := m.Seals(); return err }, unix.EINVAL},
		{"Seals", func() error { _, err := m.Immutable(); return err }, unix.EINVAL},
		{"ReopenReadOnly", func() error { _, err := m.ReopenReadOnly(); return err }, unix.ENXIO},
	} {
		err := tt.do()
		require.ErrorIs(t, err, tt.want, tt.name)
		assert.ErrorContains(t, err, "iofd: memfd: "+tt.name+": secret memory is given a size once, and mapped", tt.name)
		if tt.want == unix.EINVAL {
			assert.NotErrorIs(t, err, unix.ENOTSUP, "the kernel has it, and it is not a matter of its version")
		}
	}
	f, err := m.FD().Dup()
	require.NoError(t, err)
	defer f.Close()
	_, err = memfd.FromFD(f)
	require.ErrorIs(t, err, unix.EINVAL)
	require.ErrorContains(t, err, "is not a memfd (/secretmem (deleted))")
}

// A file without a size has nothing to map. Its size can be set to zero many times.
func TestSecretEmpty(t *testing.T) {
	m := secret(t, 0)
	require.NoError(t, m.Truncate(0))
	_, err := m.Map(0, 1, memfd.ReadWrite)
	require.ErrorIs(t, err, unix.EINVAL)
	require.ErrorContains(t, err, "end past the file's size of 0")
	require.NoError(t, m.Truncate(1))
	require.NoError(t, mapFile(t, m, 0, 1, memfd.ReadWrite).Close())
}

// Secret memory is locked, and an ordinary user may lock little memory.
func TestSecretLimit(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		secret(t, 0)
		systest.NotEmulated(t, "the emulator changes neither users nor namespaces")
		runChild(t, nil)
		return
	}
	page := os.Getpagesize()
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 2 * uint64(page), Max: 2 * uint64(page)}))
	// An ordinary user has no CAP_IPC_LOCK, which lifts the limit.
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var capabilities [2]unix.CapUserData
	require.NoError(t, unix.Capget(&header, &capabilities[0]))
	capabilities[0].Effective &^= 1 << unix.CAP_IPC_LOCK
	require.NoError(t, unix.Capset(&header, &capabilities[0]))
	m := secret(t, 4*int64(page))
	if p, err := unix.Mmap(m.Fd(), 0, 3*page, unix.PROT_READ, unix.MAP_SHARED); err == nil {
		require.NoError(t, unix.Munmap(p))
		t.Skip("this kernel, such as Linux 7.3.4, maps secret memory beyond RLIMIT_MEMLOCK without CAP_IPC_LOCK")
	}
	_, err := m.Map(0, 3*page, memfd.ReadWrite)
	require.ErrorIs(t, err, unix.EAGAIN)
	require.ErrorContains(t, err, "RLIMIT_MEMLOCK")
	mapFile(t, m, 0, 2*page, memfd.ReadWrite).Bytes()[page] = 1
}

func TestSecretTooManyDescriptors(t *testing.T) {
	secret(t, 0)
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	_, err := memfd.NewSecret()
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	require.ErrorIs(t, err, unix.EMFILE)
}
