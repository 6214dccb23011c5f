package memfd_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
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

// Each seal forbids its operations and nothing else.
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
		forbids memfd.Seal // any of them
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
		{"allocate", 0, func(m *memfd.MemFD) error { return m.Allocate(0, 2*int64(page)) }},
		{"allocate more", memfd.SealGrow, func(m *memfd.MemFD) error { return m.Allocate(1, 2*int64(page)) }},
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
				if op.name != "make executable" { // which is not a method
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
			if !systest.Emulated() {
				require.ErrorContains(t, err, shown)
			}
		}
		readOnly, err := m.Map(0, 10, memfd.ReadOnly)
		require.NoError(t, err)
		busy(", r--s")
		require.NoError(t, readOnly.Close())
		mapFile(t, m, 0, 10, memfd.CopyOnWrite) // does not prevent SealWrite
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

// A read-only mapping that cannot become writable prevents SealWrite only before Linux
// 6.7.
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

// The error tells a mapping of another process.
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

// A file is immutable if both its content and its size are sealed.
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

// SealFutureWrite is not sufficient: a mapping that exists can still write.
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

// needExecSeal skips the test if the kernel has no F_SEAL_EXEC.
func needExecSeal(t *testing.T) memfd.ExecSeal {
	t.Helper()
	kernel, err := memfd.KernelExecSeal()
	require.NoError(t, err)
	if kernel == memfd.ExecSealNone {
		systest.SkipUnsupported(t, fmt.Errorf("F_SEAL_EXEC: %w", errors.ErrUnsupported), 6, 3)
	}
	return kernel
}

// setACL gives the file the POSIX ACL of a mode, see linux/posix_acl_xattr.h. It skips the
// test if the kernel has no ACLs on tmpfs.
func setACL(t *testing.T, m *memfd.MemFD, mode uint16) {
	t.Helper()
	acl := binary.LittleEndian.AppendUint32(nil, 2)  // POSIX_ACL_XATTR_VERSION
	for i, tag := range []uint16{0x01, 0x04, 0x20} { // user, group and all other users
		acl = binary.LittleEndian.AppendUint16(acl, tag)
		acl = binary.LittleEndian.AppendUint16(acl, mode>>(6-3*i)&7)
		acl = binary.LittleEndian.AppendUint32(acl, 1<<32-1)
	}
	systest.Need(t, "POSIX ACLs on tmpfs", unix.Fsetxattr(m.Fd(), "system.posix_acl_access", acl, 0))
	require.EqualValues(t, mode, fileMode(t, m))
}

func chmod(t *testing.T, m *memfd.MemFD, mode uint16) {
	t.Helper()
	require.NoError(t, unix.Fchmod(m.Fd(), uint32(mode)))
}

// foreign returns a file that another program might make, by memfd_create(2) with flags.
func foreign(t *testing.T, flags int) *memfd.MemFD {
	t.Helper()
	number, err := unix.MemfdCreate("foreign", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|flags)
	require.NoError(t, err)
	m, err := memfd.FromFD(fd.New(number))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// received sends m and returns the error of a receiver that requires the seals.
func received(t *testing.T, m *memfd.MemFD, required memfd.Seal) error {
	t.Helper()
	a, b := socketPair(t, unix.SOCK_STREAM)
	require.NoError(t, m.SendTo(a))
	r, err := memfd.ReceiveFrom(b, required)
	if err == nil {
		require.NoError(t, r.Close())
	}
	return err
}

// A file that SealExec seals although it is mapped writably has no SealWrite for the
// library, whatever its mode becomes. Each case makes the file executable, adds SealExec
// and changes the mode again.
func TestSealExecMapped(t *testing.T) {
	kernel := needExecSeal(t)
	type change func(t *testing.T, m *memfd.MemFD, mode uint16)
	none := func(*testing.T, *memfd.MemFD, uint16) {}
	for _, tt := range []struct {
		name          string
		flags, size   int
		before, after change
	}{
		{"executable", unix.MFD_EXEC, 10, none, none},
		{"ACL after", unix.MFD_EXEC, 10, none, setACL},
		{"ACL before and after", unix.MFD_NOEXEC_SEAL, 10, setACL, setACL},
		{"chmod of huge pages", unix.MFD_NOEXEC_SEAL | unix.MFD_HUGETLB | unix.MFD_HUGE_2MB, hugePage, chmod, chmod},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.size == hugePage {
				reserve(t, 1)
			}
			m := foreign(t, tt.flags)
			require.NoError(t, m.Truncate(int64(tt.size)))
			mapping, err := m.Map(0, tt.size, memfd.ReadWrite)
			require.NoError(t, err)
			tt.before(t, m, 0o777)
			sealed := m.Seal(memfd.SealExec)
			if kernel == memfd.ExecSealUnchecked {
				require.NoError(t, sealed)
			} else {
				require.ErrorIs(t, sealed, unix.EBUSY)
			}
			tt.after(t, m, 0o666)

			copy(mapping.Bytes(), "changed")
			seals, err := m.Seals()
			require.NoError(t, err)
			assert.Zero(t, seals&memfd.SealWrite)
			immutable, err := m.Immutable()
			require.NoError(t, err)
			assert.False(t, immutable)
			err = received(t, m, memfd.SealWrite)
			assert.ErrorIs(t, err, unix.EPERM)
			assert.ErrorContains(t, err, ", not write")

			require.NoError(t, mapping.Close())
			require.NoError(t, m.Seal(immutableSeals))
			immutable, err = m.Immutable()
			require.NoError(t, err)
			assert.Equal(t, kernel == memfd.ExecSealChecked, immutable)
		})
	}
}

const immutableSeals = memfd.SealWrite | memfd.SealShrink | memfd.SealGrow

// On a kernel that adds SealWrite without a check, SealWrite beside SealExec is not
// reported. The library makes files without SealExec there.
func TestSealExecUnchecked(t *testing.T) {
	needExecSeal(t)
	defer memfd.SetExecSeal(memfd.ExecSealUnchecked)()
	for _, flags := range []int{unix.MFD_EXEC, unix.MFD_NOEXEC_SEAL} {
		m := foreign(t, flags)
		require.NoError(t, m.Seal(memfd.SealExec|immutableSeals))
		seals, err := m.Seals()
		require.NoError(t, err)
		assert.Zero(t, seals&memfd.SealWrite)
		assert.Equal(t, memfd.SealExec|memfd.SealShrink|memfd.SealGrow, seals&^memfd.SealFutureWrite)
		immutable, err := m.Immutable()
		require.NoError(t, err)
		assert.False(t, immutable)
		assert.ErrorIs(t, received(t, m, memfd.SealWrite), unix.EPERM)
		assert.NoError(t, received(t, m, memfd.SealShrink))
	}
	for _, opts := range [][]memfd.Option{nil, {memfd.WithoutExecSeal}, {memfd.Executable}} {
		m := create(t, append(opts, memfd.AllowSealing)...)
		require.NoError(t, m.Seal(immutableSeals))
		immutable, err := m.Immutable()
		require.NoError(t, err)
		assert.True(t, immutable)
		assert.NoError(t, received(t, m, immutableSeals))
	}
	assert.NoError(t, received(t, blob(t, "text"), immutableSeals))
}

// If the library cannot try the kernel, it reports no seals beside SealExec and
// SealWrite.
func TestSealExecUntried(t *testing.T) {
	needExecSeal(t)
	m := foreign(t, unix.MFD_EXEC)
	require.NoError(t, m.Seal(memfd.SealExec|memfd.SealWrite))
	a, b := socketPair(t, unix.SOCK_STREAM)
	refusals := map[string]systest.Refusal{
		"memfd_create": {Call: unix.SYS_MEMFD_CREATE, Errno: unix.EMFILE},
		"ftruncate":    {Call: systest.Ftruncate, Errno: unix.ENOSPC},
		"mmap":         {Call: systest.Mmap, Errno: unix.ENOMEM, Arg: 4, Value: unix.MAP_SHARED},
		"fcntl":        {Call: systest.Fcntl, Errno: unix.ENOMEM, Arg: 2, Value: unix.F_ADD_SEALS},
	}
	if runtime.GOARCH == "s390x" {
		delete(refusals, "mmap") // its arguments are in memory, where no filter looks
	}
	for call, refusal := range refusals {
		require.NoError(t, m.SendTo(a))
		before := openDescriptors(t)
		systest.Refuse(t, func() {
			defer memfd.SetExecSeal(memfd.ExecSealUnknown)()
			seals, err := m.Seals()
			assert.ErrorIs(t, err, refusal.Errno, call)
			assert.ErrorContains(t, err, call)
			assert.Zero(t, seals)
			immutable, err := m.Immutable()
			assert.ErrorIs(t, err, refusal.Errno, call)
			assert.False(t, immutable)
			_, err = memfd.ReceiveFrom(b, memfd.SealWrite)
			assert.ErrorIs(t, err, refusal.Errno, call)
		}, refusal)
		assert.Equal(t, before, openDescriptors(t))
	}
	defer memfd.SetExecSeal(memfd.ExecSealUnknown)()
	_, err := m.Seals()
	require.NoError(t, err, "the kernel is tried again")

	t.Run("huge pages", func(t *testing.T) {
		m := huge(t, memfd.AllowSealing, memfd.WithoutExecSeal)
		require.NoError(t, m.Seal(memfd.SealExec|memfd.SealWrite))
		systest.Refuse(t, func() {
			memfd.SetExecSeal(memfd.ExecSealUnknown)
			_, err := m.Seals()
			assert.EqualError(t, err, "mmap: cannot allocate memory", "which is not of this file")
		}, systest.Refusal{Call: systest.Mmap, Errno: unix.ENOMEM, Arg: 4, Value: unix.MAP_SHARED})
	})
}

// New does not need to know how the kernel treats SealExec. It then makes a file whose
// SealWrite is effective on every kernel.
func TestNewUntried(t *testing.T) {
	needExecSeal(t)
	systest.Refuse(t, func() {
		defer memfd.SetExecSeal(memfd.ExecSealUnknown)()
		m, err := memfd.New("untried")
		if !assert.NoError(t, err) {
			return
		}
		seals, err := m.Seals()
		assert.NoError(t, err)
		assert.Equal(t, memfd.SealSeal, seals)
		assert.EqualValues(t, 0o600, fileMode(t, m))
		assert.NoError(t, m.Close())
	}, systest.Refusal{Call: systest.Fcntl, Errno: unix.EPERM, Arg: 2, Value: unix.F_ADD_SEALS})
}

// If the administrator forbids MFD_EXEC, the library still finds out how the kernel
// treats SealExec, and New still makes files.
func TestMemfdNoexec(t *testing.T) {
	kernel := needExecSeal(t)
	setACL(t, create(t), 0o666) // or skip
	const sealing = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING | unix.MFD_EXEC
	systest.Refuse(t, func() {
		tried, err := memfd.TryExecSeal()
		assert.NoError(t, err)
		assert.Equal(t, kernel, tried)
		for _, known := range []memfd.ExecSeal{memfd.ExecSealUnknown, memfd.ExecSealUnchecked, memfd.ExecSealChecked} {
			restore := memfd.SetExecSeal(known)
			m, err := memfd.New("no MFD_EXEC", memfd.AllowSealing)
			restore()
			if assert.NoError(t, err) {
				seals, err := m.Seals()
				assert.NoError(t, err)
				assert.Equal(t, memfd.SealExec, seals)
				assert.EqualValues(t, 0o666, fileMode(t, m))
				assert.NoError(t, m.Close())
			}
			_, err = memfd.New("no MFD_EXEC", memfd.AllowSealing, memfd.Executable)
			assert.ErrorIs(t, err, unix.EACCES)
		}
	}, systest.Refusal{Call: unix.SYS_MEMFD_CREATE, Errno: unix.EACCES, Arg: 2, Value: sealing})
}

// On an executable file, SealExec adds four seals.
func TestSealExecImplies(t *testing.T) {
	kernel := needExecSeal(t)
	m := create(t, memfd.AllowSealing, memfd.Executable)
	require.NoError(t, m.Seal(memfd.SealExec))
	want := memfd.SealExec | memfd.SealShrink | memfd.SealGrow | memfd.SealWrite | memfd.SealFutureWrite
	if kernel == memfd.ExecSealUnchecked {
		want &^= memfd.SealWrite
	}
	seals, err := m.Seals()
	require.NoError(t, err)
	assert.Equal(t, want, seals)
}

// SealGrow refuses a page as a whole, also the part before the end of the file.
func TestSealGrowWithinPage(t *testing.T) {
	m := create(t, memfd.AllowSealing)
	require.NoError(t, m.Truncate(100))
	require.NoError(t, m.Seal(memfd.SealGrow))
	n, err := m.Write(make([]byte, 101))
	require.ErrorIs(t, err, unix.EPERM)
	assert.Zero(t, n)
	n, err = m.Write(make([]byte, 100))
	require.NoError(t, err)
	assert.Equal(t, 100, n)
}

// A write that SealGrow cuts off returns the number of bytes that it wrote.
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
