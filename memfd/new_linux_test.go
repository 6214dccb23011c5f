package memfd_test

import (
	"crypto/rand"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/memfd"
)

func TestNew(t *testing.T) {
	m := create(t)
	cloexec, err := m.FD().Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)
	size, err := m.Size()
	require.NoError(t, err)
	assert.Zero(t, size)
	assert.True(t, m.Valid())
	assert.Equal(t, int(m.Raw()), m.Fd())
	assert.Equal(t, "test", m.Name())

	link, err := os.Readlink(m.Path())
	require.NoError(t, err)
	assert.Equal(t, "/memfd:test (deleted)", link)
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"":                       "",
		"plain":                  "",
		"with/slash and\nspace":  "",
		"name (deleted)":         "",
		"\xff\xfe":               "",
		strings.Repeat("x", 249): "",
		strings.Repeat("x", 250): "memfd: New: name length 250 exceeds the maximum 249",
		"a\x00b":                 `"a\x00b" has a NUL byte`,
		"\x00":                   "has a NUL byte",
	} {
		m, err := memfd.New(name)
		if want != "" {
			require.ErrorIs(t, err, unix.EINVAL, "%q", name)
			require.ErrorContains(t, err, want)
			require.Nil(t, m)
			_, err = memfd.NewSealed(name, nil)
			require.ErrorIs(t, err, unix.EINVAL, "%q", name)
			continue
		}
		require.NoError(t, err, "%q", name)
		assert.Equal(t, name, m.Name())
		link, err := os.Readlink(m.Path())
		require.NoError(t, err)
		shown, ok := memfd.NameOf(link)
		assert.True(t, ok, link)
		assert.Equal(t, name, shown)
		require.NoError(t, m.Close())
	}
}

// Options combine as bits and as arguments, and the Option 0 changes nothing.
func TestOptionsCombine(t *testing.T) {
	for _, opts := range [][]memfd.Option{
		{memfd.AllowSealing | memfd.Executable},
		{memfd.AllowSealing, 0, memfd.Executable},
		{memfd.Executable, memfd.Executable | memfd.AllowSealing},
	} {
		m := create(t, opts...)
		assert.Equal(t, uint32(0o777), fileMode(t, m))
		assert.NoError(t, m.Seal(memfd.SealGrow))
	}
	m := create(t, 0)
	assert.Zero(t, fileMode(t, m)&0o111)
	assert.ErrorIs(t, m.Seal(memfd.SealGrow), unix.EPERM)
	huge(t, memfd.AllowSealing|memfd.HugeTLB(hugePage))
}

func TestOptionsUnknown(t *testing.T) {
	for _, o := range []memfd.Option{1 << 4, 1 << 7, 1 << 8, 2 << 20, 1 << 63, ^memfd.Option(0), memfd.HugeTLB(2<<20) | 1<<4} {
		for _, opts := range [][]memfd.Option{{o}, {o | memfd.AllowSealing}, {memfd.Executable, o}} {
			_, err := memfd.New("unknown", opts...)
			require.ErrorIs(t, err, unix.EINVAL, "%#x", o)
			require.ErrorContains(t, err, "memfd: New: unknown option 0x")
		}
	}
}

func TestHugeTLBSizes(t *testing.T) {
	for _, size := range []int64{math.MinInt64, -2 << 20, -1, 0, 1, 2, 3, int64(os.Getpagesize()), 1<<20 | 1, 3 << 20, math.MaxInt64} {
		_, err := memfd.New("huge", memfd.HugeTLB(size))
		require.ErrorIs(t, err, unix.EINVAL, "%d", size)
		require.ErrorContains(t, err, "not a power of two")
	}
	for _, opts := range [][]memfd.Option{{memfd.HugeTLB(2<<20) | memfd.HugeTLB(1<<30)}, {memfd.HugeTLB(1 << 62), memfd.HugeTLB(2 << 20)}} {
		_, err := memfd.New("huge", opts...)
		require.ErrorIs(t, err, unix.EINVAL, "two sizes")
		require.ErrorContains(t, err, "not a power of two")
	}
	_, err := memfd.New("huge", memfd.HugeTLB(1<<62))
	require.Error(t, err, "no machine has such pages")
	var call *os.SyscallError
	require.ErrorAs(t, err, &call, "the kernel was asked")
}

func TestNewSealed(t *testing.T) {
	for _, data := range []string{"", "x", strings.Repeat("0123456789", 20000)} {
		m, err := memfd.NewSealed("blob", []byte(data))
		require.NoError(t, err)
		assert.Equal(t, data, content(t, m))
		assert.Zero(t, offset(t, m))

		seals, err := m.Seals()
		require.NoError(t, err)
		assert.Equal(t, memfd.SealWrite|memfd.SealShrink|memfd.SealGrow|memfd.SealSeal, seals&^memfd.SealExec)

		_, err = m.Write([]byte("y"))
		require.ErrorIs(t, err, unix.EPERM)
		require.ErrorIs(t, m.Truncate(1<<20), unix.EPERM)
		require.ErrorIs(t, m.Seal(memfd.SealFutureWrite), unix.EPERM)
		require.NoError(t, m.Close())
	}
}

// NewSealed closes the file if it cannot write: TestMain finds descriptors that are
// left.
func TestNewSealedFails(t *testing.T) {
	page := os.Getpagesize()
	unreadable, err := unix.Mmap(-1, 0, page, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	require.NoError(t, err)
	defer unix.Munmap(unreadable)
	m, err := memfd.NewSealed("blob", unreadable)
	require.ErrorIs(t, err, unix.EFAULT)
	require.Nil(t, m)
}

// The kernel refuses the seals while a page is in use elsewhere. NewSealed tries again.
func TestNewSealedWhilePageIsInUse(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	for used := false; !used; { // until the goroutine finds the file in time
		name := rand.Text()
		var ended atomic.Bool
		found := make(chan bool, 1)
		go func() {
			for !ended.Load() {
				if usePage(name, int(w.Fd())) {
					// fcntl(2) waits for half as long.
					time.AfterFunc(300*time.Millisecond, func() { _, _ = r.Read(make([]byte, os.Getpagesize())) })
					found <- true
					return
				}
			}
			found <- false
		}()
		m, err := memfd.NewSealed(name, make([]byte, 16<<20))
		ended.Store(true)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		used = <-found
	}
}

// usePage puts the first page of a memfd of this process into a pipe, if there is one of
// that name which has a page.
func usePage(name string, pipe int) bool {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if file, _ := os.Readlink(link); file != "/memfd:"+name+" (deleted)" {
			continue
		}
		number, err := unix.Open(link, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		n, _ := unix.Splice(number, nil, pipe, nil, os.Getpagesize(), 0)
		_ = unix.Close(number)
		return n > 0
	}
	return false
}

func TestTooManyDescriptors(t *testing.T) {
	_, _ = memfd.KernelExecSeal() // which needs a descriptor
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	_, err := memfd.New("one too many")
	_, errSealed := memfd.NewSealed("one too many", nil)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	require.ErrorIs(t, err, unix.EMFILE)
	require.ErrorIs(t, errSealed, unix.EMFILE)
}

// fileMode returns the permissions of the file.
func fileMode(t *testing.T, m *memfd.MemFD) uint32 {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(m.Fd(), &st))
	return uint32(st.Mode) & 0o777
}

// The mode and the seals of a new file follow from the options and from how the kernel
// treats SealExec.
func TestExecutePermission(t *testing.T) {
	type file struct {
		mode  uint32
		seals memfd.Seal
	}
	const noSeals = memfd.Seal(0)
	for _, tt := range []struct {
		name                     string
		opts                     []memfd.Option
		none, unchecked, checked file
	}{
		{"default", nil, file{0o666, memfd.SealSeal}, file{0o600, memfd.SealSeal}, file{0o666, memfd.SealExec}},
		{"sealing", []memfd.Option{memfd.AllowSealing}, file{0o666, noSeals}, file{0o600, noSeals}, file{0o666, memfd.SealExec}},
		{"executable", []memfd.Option{memfd.Executable}, file{0o777, memfd.SealSeal}, file{0o777, memfd.SealSeal}, file{0o777, memfd.SealSeal}},
		{"executable, sealing", []memfd.Option{memfd.Executable, memfd.AllowSealing}, file{0o777, noSeals}, file{0o777, noSeals}, file{0o777, noSeals}},
		{"no seal", []memfd.Option{memfd.WithoutExecSeal}, file{0o666, memfd.SealSeal}, file{0o666, memfd.SealSeal}, file{0o666, memfd.SealSeal}},
		{"no seal, sealing", []memfd.Option{memfd.WithoutExecSeal, memfd.AllowSealing}, file{0o666, noSeals}, file{0o666, noSeals}, file{0o666, noSeals}},
		{"executable, no seal", []memfd.Option{memfd.Executable | memfd.WithoutExecSeal}, file{0o777, memfd.SealSeal}, file{0o777, memfd.SealSeal}, file{0o777, memfd.SealSeal}},
	} {
		test := func(name string, kernel memfd.ExecSeal, want file) {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				if kernel != memfd.ExecSealNone {
					needExecSeal(t)
				}
				defer memfd.SetExecSeal(kernel)()
				m := create(t, tt.opts...)
				assert.Equal(t, want.mode, fileMode(t, m))
				seals, err := m.Seals()
				require.NoError(t, err)
				assert.Equal(t, want.seals, seals)
			})
		}
		test("old kernel", memfd.ExecSealNone, tt.none)
		test("not checked", memfd.ExecSealUnchecked, tt.unchecked)
		test("checked", memfd.ExecSealChecked, tt.checked)
	}
}

func TestExecute(t *testing.T) {
	program, err := os.ReadFile("/bin/true")
	require.NoError(t, err)
	for _, tt := range []struct {
		name string
		opts []memfd.Option
		want error
	}{
		{"default", nil, syscall.EACCES},
		{"no seal", []memfd.Option{memfd.WithoutExecSeal}, syscall.EACCES},
		{"executable", []memfd.Option{memfd.Executable}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := createWith(t, string(program), tt.opts...)
			cmd := command(t, "true") // a program of many names chooses one by this
			err := m.Start(cmd)
			require.ErrorIs(t, err, tt.want)
			if err == nil {
				require.NoError(t, cmd.Wait())
			}
		})
	}
}

// SealExec forbids chmod(2) that makes the file executable, on tmpfs. It forbids neither a
// POSIX ACL nor chmod(2) of huge pages, as the documentation says.
func TestSealExecForbids(t *testing.T) {
	m := create(t, memfd.AllowSealing, memfd.WithoutExecSeal)
	require.NoError(t, unix.Fchmod(m.Fd(), 0o777))
	require.NoError(t, unix.Fchmod(m.Fd(), 0o666))
	needExecSeal(t)
	require.NoError(t, m.Seal(memfd.SealExec))
	require.ErrorIs(t, unix.Fchmod(m.Fd(), 0o777), unix.EPERM)
	t.Run("ACL", func(t *testing.T) { setACL(t, m, 0o777) })
	t.Run("huge pages", func(t *testing.T) {
		m := huge(t, memfd.AllowSealing, memfd.WithoutExecSeal)
		require.NoError(t, m.Seal(memfd.SealExec))
		chmod(t, m, 0o777)
		assert.EqualValues(t, 0o777, fileMode(t, m))
	})
}
