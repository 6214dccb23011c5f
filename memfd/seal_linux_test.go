package memfd_test

import (
	"bufio"
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

func TestSealString(t *testing.T) {
	for seal, want := range map[memfd.Seal]string{
		0:                          "none",
		memfd.SealSeal:             "seal",
		memfd.SealShrink:           "shrink",
		memfd.SealGrow:             "grow",
		memfd.SealWrite:            "write",
		memfd.SealFutureWrite:      "future_write",
		memfd.SealExec:             "exec",
		memfd.SealSeal | 1<<31:     "seal|0x80000000",
		0x40:                       "0x40",
		memfd.SealWrite | 1<<1 | 1: "seal|shrink|write",
	} {
		assert.Equal(t, want, seal.String())
	}
}

// Each seal against each operation.
func TestSeals(t *testing.T) {
	all := []memfd.Seal{
		0, memfd.SealSeal, memfd.SealShrink, memfd.SealGrow, memfd.SealWrite, memfd.SealFutureWrite, memfd.SealExec,
	}
	page := os.Getpagesize()
	mapped := func(m *memfd.MemFD, prot memfd.Prot) error {
		mapping, err := m.Map(0, page, prot)
		if err != nil {
			return err
		}
		_ = mapping.Bytes()[0]
		return mapping.Close()
	}
	operations := []struct {
		name    string
		forbids memfd.Seal // what does
		do      func(m *memfd.MemFD) error
	}{
		{"read", 0, func(m *memfd.MemFD) error {
			_, err := m.Read(make([]byte, 10))
			return err
		}},
		{"overwrite", memfd.SealWrite | memfd.SealFutureWrite, func(m *memfd.MemFD) error {
			_, err := m.WriteAt([]byte("x"), 1)
			return err
		}},
		{"write", memfd.SealWrite | memfd.SealFutureWrite, func(m *memfd.MemFD) error {
			_, err := m.Write([]byte("x"))
			return err
		}},
		{"append", memfd.SealWrite | memfd.SealFutureWrite | memfd.SealGrow, func(m *memfd.MemFD) error {
			_, err := m.WriteAt([]byte("x"), 2*int64(page))
			return err
		}},
		{"shrink", memfd.SealShrink, func(m *memfd.MemFD) error { return m.Truncate(int64(page)) }},
		{"grow", memfd.SealGrow, func(m *memfd.MemFD) error { return m.Truncate(3 * int64(page)) }},
		{"keep size", 0, func(m *memfd.MemFD) error { return m.Truncate(2 * int64(page)) }},
		{"punch a hole", memfd.SealWrite | memfd.SealFutureWrite, func(m *memfd.MemFD) error { return m.PunchHole(0, 1) }},
		{"map read-only", 0, func(m *memfd.MemFD) error { return mapped(m, memfd.ReadOnly) }},
		{"map read-write", memfd.SealWrite | memfd.SealFutureWrite, func(m *memfd.MemFD) error { return mapped(m, memfd.ReadWrite) }},
		{"map copy-on-write", 0, func(m *memfd.MemFD) error { return mapped(m, memfd.CopyOnWrite) }},
		{"make executable", memfd.SealExec, func(m *memfd.MemFD) error {
			return os.NewSyscallError("fchmod", unix.Fchmod(m.Fd(), 0o777))
		}},
		{"seal", memfd.SealSeal, func(m *memfd.MemFD) error { return m.Seal(memfd.SealShrink) }},
	}
	for _, seal := range all {
		for _, op := range operations {
			t.Run(seal.String()+"/"+op.name, func(t *testing.T) {
				m := create(t, memfd.AllowSealing, memfd.WithoutExecSeal)
				require.NoError(t, m.Truncate(2*int64(page)))
				if err := m.Seal(seal); seal == memfd.SealExec {
					systest.SkipUnsupported(t, err, 6, 3)
				} else {
					require.NoError(t, err)
				}
				got, err := m.Seals()
				require.NoError(t, err)
				require.Equal(t, seal, got)

				err = op.do(m)
				if seal&op.forbids == 0 {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, unix.EPERM)
				var call *os.SyscallError
				require.ErrorAs(t, err, &call)
				if op.name != "make executable" { // which is not ours
					assert.ErrorContains(t, err, "the file is sealed against it ("+seal.String()+")")
				}
			})
		}
	}
}

func TestSealRefused(t *testing.T) {
	t.Run("not allowed", func(t *testing.T) {
		m := create(t)
		err := m.Seal(memfd.SealWrite)
		require.ErrorIs(t, err, unix.EPERM)
		require.ErrorContains(t, err, `"test" was made without AllowSealing`)
		d, err := m.Dup()
		require.NoError(t, err)
		defer d.Close()
		require.ErrorIs(t, d.Seal(memfd.SealWrite), unix.EPERM)
		seals, err := m.Seals()
		require.NoError(t, err)
		assert.Zero(t, seals&memfd.SealWrite)
	})
	t.Run("unknown bits", func(t *testing.T) {
		m := create(t, memfd.AllowSealing)
		err := m.Seal(memfd.SealWrite | 0x40)
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, "0x40 is no seal")
		seals, err := m.Seals()
		require.NoError(t, err)
		assert.Zero(t, seals&memfd.SealWrite)
	})
	t.Run("sealed", func(t *testing.T) {
		m := create(t, memfd.AllowSealing)
		require.NoError(t, m.Seal(memfd.SealSeal|memfd.SealGrow))
		err := m.Seal(memfd.SealWrite)
		require.ErrorIs(t, err, unix.EPERM)
		require.ErrorContains(t, err, "Seal(write): the file is sealed against it (seal)")
	})
	t.Run("mapped", func(t *testing.T) {
		m := create(t, memfd.AllowSealing)
		require.NoError(t, m.Truncate(10))
		busy := func(shown string) {
			t.Helper()
			err := m.Seal(memfd.SealWrite)
			require.ErrorIs(t, err, unix.EBUSY)
			var call *os.SyscallError
			require.ErrorAs(t, err, &call)
			if os.Getenv("MATRIX_EMU") == "" {
				require.ErrorContains(t, err, shown)
			}
		}
		readOnly, err := m.Map(0, 10, memfd.ReadOnly)
		require.NoError(t, err)
		busy(", r--s")
		require.NoError(t, readOnly.Close())
		mapFile(t, m, 0, 10, memfd.CopyOnWrite) // is in nobody's way
		mapping, err := m.Map(0, 10, memfd.ReadWrite)
		require.NoError(t, err)
		busy(", rw-s")
		require.NoError(t, m.Seal(memfd.SealFutureWrite), "which leaves the mapping as it is")
		copy(mapping.Bytes(), "written")
		require.NoError(t, mapping.Close())
		require.NoError(t, m.Seal(memfd.SealWrite))
		assert.Equal(t, "written\x00\x00\x00", content(t, m))
	})
	t.Run("not open for writing", func(t *testing.T) {
		m := create(t, memfd.AllowSealing)
		number, err := unix.Open(m.Path(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		reader, err := memfd.FromFD(fd.New(number))
		require.NoError(t, err)
		defer reader.Close()
		err = reader.Seal(memfd.SealWrite)
		require.ErrorIs(t, err, unix.EPERM)
		require.ErrorContains(t, err, "not open for writing")
		_, err = reader.Write([]byte("x"))
		require.ErrorIs(t, err, unix.EBADF)
		require.NoError(t, m.Truncate(10))
		_, err = reader.Map(0, 10, memfd.ReadWrite)
		require.ErrorIs(t, err, unix.EACCES)
	})
}

// A read-only mapping that nobody can make writable is in the way of SealWrite
// before Linux 6.7 alone.
func TestSealMappedUnderFutureWrite(t *testing.T) {
	m := createWith(t, "0123456789", memfd.AllowSealing)
	require.NoError(t, m.Seal(memfd.SealFutureWrite))
	mapping := mapFile(t, m, 0, 10, memfd.ReadOnly)
	require.Error(t, unix.Mprotect(mapping.Bytes(), unix.PROT_READ|unix.PROT_WRITE))
	if err := m.Seal(memfd.SealWrite); err != nil {
		require.ErrorIs(t, err, unix.EBUSY)
		require.True(t, systest.OlderThan(t, 6, 7))
		require.NoError(t, mapping.Close())
		require.NoError(t, m.Seal(memfd.SealWrite))
	}
}

// Of a mapping that is not ours the error says that.
func TestSealMappedElsewhere(t *testing.T) {
	if systest.IsChild(t.Name()) {
		m, err := memfd.FromFD(fd.New(3))
		require.NoError(t, err)
		defer m.Close()
		mapFile(t, m, 0, 10, memfd.ReadWrite)
		os.Stdout.WriteString("mapped\n")
		_, _ = io.ReadAll(os.Stdin)
		return
	}
	m := createWith(t, "0123456789", memfd.AllowSealing)
	file, err := m.File("")
	require.NoError(t, err)
	defer file.Close()
	cmd := systest.Child(t, t.Name())
	cmd.ExtraFiles = []*os.File{file}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "mapped" {
	}
	err = m.Seal(memfd.SealWrite)
	require.ErrorIs(t, err, unix.EBUSY)
	require.ErrorContains(t, err, "another process has the file mapped")
	require.NoError(t, in.Close())
	for lines.Scan() {
	}
	require.NoError(t, lines.Err())
	require.NoError(t, cmd.Wait())
	require.NoError(t, m.Seal(memfd.SealWrite))
}

// Nothing changes any more only where content and size are sealed, against all.
func TestImmutable(t *testing.T) {
	for _, tt := range []struct {
		seals memfd.Seal
		want  bool
	}{
		{0, false},
		{memfd.SealWrite, false},
		{memfd.SealWrite | memfd.SealShrink, false},
		{memfd.SealWrite | memfd.SealGrow, false},
		{memfd.SealShrink | memfd.SealGrow | memfd.SealSeal, false},
		{memfd.SealFutureWrite | memfd.SealShrink | memfd.SealGrow | memfd.SealSeal, false},
		{memfd.SealWrite | memfd.SealShrink | memfd.SealGrow, true},
		{memfd.SealWrite | memfd.SealShrink | memfd.SealGrow | memfd.SealFutureWrite | memfd.SealSeal, true},
	} {
		m := create(t, memfd.AllowSealing)
		require.NoError(t, m.Seal(tt.seals))
		immutable, err := m.Immutable()
		require.NoError(t, err)
		assert.Equal(t, tt.want, immutable, "%v", tt.seals)
	}
}

// Why SealFutureWrite does not do: a mapping made before still writes.
func TestFutureWriteChanges(t *testing.T) {
	m := createWith(t, "0123456789", memfd.AllowSealing)
	mapping := mapFile(t, m, 0, 10, memfd.ReadWrite)
	require.NoError(t, m.Seal(memfd.SealFutureWrite|memfd.SealShrink|memfd.SealGrow|memfd.SealSeal))
	immutable, err := m.Immutable()
	require.NoError(t, err)
	assert.False(t, immutable)
	copy(mapping.Bytes(), "changed")
	assert.Equal(t, "changed789", content(t, m))
}

func TestSealAgain(t *testing.T) {
	m := create(t, memfd.AllowSealing)
	require.NoError(t, m.Seal(memfd.SealGrow))
	require.NoError(t, m.Seal(memfd.SealGrow|memfd.SealShrink))
	require.NoError(t, m.Seal(0))
	seals, err := m.Seals()
	require.NoError(t, err)
	assert.Equal(t, memfd.SealGrow|memfd.SealShrink, seals&^memfd.SealExec)
}

// SealExec on an executable file is refused as SealWrite is. Where it is not, the
// file is not said to be immutable.
func TestSealExecMapped(t *testing.T) {
	m := createWith(t, "0123456789", memfd.AllowSealing, memfd.Executable)
	mapping := mapFile(t, m, 0, 10, memfd.ReadWrite)
	err := m.Seal(memfd.SealExec)
	if errors.Is(err, errors.ErrUnsupported) {
		systest.SkipUnsupported(t, err, 6, 3)
	}
	if err == nil {
		seals, err := m.Seals()
		require.NoError(t, err)
		require.NotZero(t, seals&memfd.SealWrite)
		copy(mapping.Bytes(), "changed")
		require.Equal(t, "changed789", content(t, m))
		immutable, err := m.Immutable()
		require.NoError(t, err)
		assert.False(t, immutable)
		return
	}
	require.ErrorIs(t, err, unix.EBUSY)
	require.NoError(t, mapping.Close())
	require.NoError(t, m.Seal(memfd.SealExec))
	immutable, err := m.Immutable()
	require.NoError(t, err)
	assert.True(t, immutable)
}

// Where SealExec may have brought a SealWrite that somebody writes past, nobody
// takes it for one.
func TestSealExecDoubted(t *testing.T) {
	defer memfd.ImpliedUnchecked()()
	const all = memfd.SealExec | memfd.SealWrite | memfd.SealShrink | memfd.SealGrow
	for _, executable := range []bool{false, true} {
		opts := []memfd.Option{memfd.AllowSealing}
		if executable {
			opts = append(opts, memfd.Executable)
		}
		m := create(t, opts...)
		systest.SkipUnsupported(t, m.Seal(all), 6, 3)
		immutable, err := m.Immutable()
		require.NoError(t, err)
		assert.Equal(t, !executable, immutable)

		a, b := socketPair(t, unix.SOCK_STREAM)
		require.NoError(t, m.SendTo(a))
		r, err := memfd.ReceiveFrom(b, memfd.SealWrite)
		if executable {
			require.ErrorIs(t, err, unix.EPERM)
			assert.ErrorContains(t, err, ", not write")
			continue
		}
		require.NoError(t, err)
		require.NoError(t, r.Close())
	}
}

// Where the kernel cannot be tried, nothing is believed.
func TestSealExecUntried(t *testing.T) {
	m := create(t, memfd.AllowSealing, memfd.Executable)
	systest.SkipUnsupported(t, m.Seal(memfd.SealExec|memfd.SealWrite), 6, 3)
	a, b := socketPair(t, unix.SOCK_STREAM)
	for call, refusal := range map[string]systest.Refusal{
		"memfd_create": {Call: unix.SYS_MEMFD_CREATE, Errno: unix.EMFILE},
		"ftruncate":    {Call: systest.Ftruncate, Errno: unix.ENOSPC},
		"mmap":         {Call: systest.Mmap, Errno: unix.ENOMEM, Arg: 4, Value: unix.MAP_SHARED},
		"fcntl":        {Call: systest.Fcntl, Errno: unix.ENOMEM, Arg: 2, Value: unix.F_ADD_SEALS},
	} {
		require.NoError(t, m.SendTo(a))
		before := openDescriptors(t)
		systest.Refuse(t, func() {
			memfd.ImpliedUnknown()
			immutable, err := m.Immutable()
			assert.ErrorIs(t, err, refusal.Errno, call)
			assert.ErrorContains(t, err, call)
			assert.False(t, immutable)
			_, err = memfd.ReceiveFrom(b, memfd.SealWrite)
			assert.ErrorIs(t, err, refusal.Errno, call)
		}, refusal)
		assert.Equal(t, before, openDescriptors(t))
	}
	_, err := m.Immutable()
	require.NoError(t, err, "the kernel is tried again")
}

func TestSealExecImplies(t *testing.T) {
	m := create(t, memfd.AllowSealing, memfd.Executable)
	systest.SkipUnsupported(t, m.Seal(memfd.SealExec), 6, 3)
	seals, err := m.Seals()
	require.NoError(t, err)
	assert.Equal(t, memfd.SealExec|memfd.SealShrink|memfd.SealGrow|memfd.SealWrite|memfd.SealFutureWrite, seals)
}

// A write that the growth seal cuts off says how far it came.
func TestSealGrowPartial(t *testing.T) {
	page := os.Getpagesize()
	m := create(t, memfd.AllowSealing)
	require.NoError(t, m.Truncate(2*int64(page)))
	require.NoError(t, m.Seal(memfd.SealGrow))
	n, err := m.Write(make([]byte, 3*page))
	require.ErrorIs(t, err, unix.EPERM)
	assert.EqualValues(t, n, offset(t, m))
	size, err := m.Size()
	require.NoError(t, err)
	assert.EqualValues(t, 2*page, size)
}
