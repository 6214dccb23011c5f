package fd_test

import (
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// sameByKcmp is SameFile on a kernel before 6.10.
func sameByKcmp(f, other *fd.FD) (bool, error) {
	return fd.KcmpFile(f.Fd(), other.Fd())
}

func TestSameFile(t *testing.T) {
	open := func() *fd.FD {
		number, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		f := fd.New(number)
		t.Cleanup(func() { assert.NoError(t, f.Close()) })
		return f
	}
	f, again := open(), open()
	dup, err := f.Dup()
	require.NoError(t, err)
	defer dup.Close()
	file, err := f.File("")
	require.NoError(t, err)
	defer file.Close()
	back, err := fd.FromFile(file)
	require.NoError(t, err)
	defer back.Close()
	path, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	bare := fd.New(path)
	defer bare.Close()
	r, w := pipe(t, true)

	for by, same := range map[string]func(f, other *fd.FD) (bool, error){
		"SameFile": (*fd.FD).SameFile,
		"kcmp(2)":  sameByKcmp,
	} {
		t.Run(by, func(t *testing.T) {
			if by == "kcmp(2)" {
				systest.NeedCall(t, by, unix.SYS_KCMP)
			}
			for _, c := range []struct {
				what     string
				f, other *fd.FD
				want     bool
			}{
				{"itself", f, f, true},
				{"a duplicate", f, dup, true},
				{"and back", dup, f, true},
				{"through os.File", f, back, true},
				{"two duplicates", dup, back, true},
				{"another open of the file", f, again, false},
				{"and back", again, f, false},
				{"two ends of a pipe", r, w, false},
				{"O_PATH and itself", bare, bare, true},
				{"O_PATH and another", bare, f, false},
			} {
				got, err := same(c.f, c.other)
				if errors.Is(err, errors.ErrUnsupported) {
					systest.SkipUnsupported(t, err, 6, 10)
				}
				require.NoError(t, err, c.what)
				assert.Equal(t, c.want, got, c.what)
			}
		})
	}
}

// The error for a number that is not open names the call.
func TestKcmpFileOfUnopenedNumber(t *testing.T) {
	systest.NeedCall(t, "kcmp(2)", unix.SYS_KCMP)
	_, err := fd.KcmpFile(0, -1)
	if errors.Is(err, errors.ErrUnsupported) {
		systest.SkipUnsupported(t, err, 6, 10)
	}
	assert.ErrorIs(t, err, unix.EBADF)
	var call *os.SyscallError
	require.ErrorAs(t, err, &call)
	assert.Equal(t, "kcmp", call.Syscall)
}

// A filter that refuses kcmp(2) no longer hides EBADF.
func TestSameFileOfUnopenedNumbers(t *testing.T) {
	const none = 1 << 20
	f := fd.New(none)
	same := func() {
		got, err := f.SameFile(fd.New(none + 1))
		assert.ErrorIs(t, err, unix.EBADF)
		assert.False(t, got)
	}
	same()
	systest.Refuse(t, same, systest.Refusal{Call: unix.SYS_KCMP, Errno: unix.EPERM})
}

// Comparing in either order, and to itself, does not deadlock with changes of
// mode, which wait for calls.
func TestSameFileWhileModesChange(t *testing.T) {
	a, b := pipe(t, true)
	const rounds = 300
	var changes, compares sync.WaitGroup
	stop := make(chan struct{})
	for _, f := range []*fd.FD{a, b} {
		changes.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					assert.NoError(t, f.SetNonblock(false))
					assert.NoError(t, f.SetNonblock(true))
				}
			}
		})
	}
	for _, pair := range [][2]*fd.FD{{a, b}, {b, a}, {a, a}} {
		compares.Go(func() {
			for range rounds {
				same, err := pair[0].SameFile(pair[1])
				if errors.Is(err, errors.ErrUnsupported) {
					return // for TestSameFile to skip
				}
				assert.NoError(t, err)
				assert.Equal(t, pair[0] == pair[1], same)
			}
		})
	}
	compares.Wait()
	close(stop)
	changes.Wait()
}
