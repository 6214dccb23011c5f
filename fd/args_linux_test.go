package fd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

var anything = func(number int) error { return nil }

func init() {
	for name, call := range map[string]func(*fd.FD) error{
		"Adopt":             func(f *fd.FD) error { return new(fd.FD).Adopt(f, anything) },
		"Adopt by nothing":  func(f *fd.FD) error { return new(fd.FD).Adopt(f, nil) },
		"Fdinfo":            func(f *fd.FD) error { _, err := f.Fdinfo("pos"); return err },
		"ReadUint64Context": func(f *fd.FD) error { _, err := f.ReadUint64Context(background); return err },
		"number, no context": func(f *fd.FD) error {
			_, err := f.ReadUint64Context(noContext)
			return err
		},
	} {
		closedCalls[name] = call
	}
}

// open returns an FD of the object with that name. It is closed when the test ends.
func open(t testing.TB, path string, flags int) *fd.FD {
	t.Helper()
	number, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	return owned(t, number, err)
}

func owned(t testing.TB, number int, err error) *fd.FD {
	t.Helper()
	require.NoError(t, err)
	f := fd.New(number)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// Calls refuse invalid arguments before they do anything, and change nothing.
func TestRefused(t *testing.T) {
	r, w := pipe(t, true)
	number := r.Fd()
	for what, err := range map[string]error{
		"Take nil":           new(fd.FD).Take(nil),
		"Adopt nil":          new(fd.FD).Adopt(nil, anything),
		"Adopt by nothing":   new(fd.FD).Adopt(r, nil),
		"SameFile nil":       second(r.SameFile(nil)),
		"Read, no context":   second(r.ReadContext(noContext, make([]byte, 1))),
		"none, no context":   second(r.ReadContext(noContext, nil)),
		"Write, no context":  second(w.WriteContext(noContext, []byte("x"))),
		"number, no context": second(r.ReadUint64Context(noContext)),
		"wait, no context":   second(fd.WaitRead(noContext, r, func() (int, error) { return 0, nil })),
		"wait for nothing":   second(fd.WaitWrite[int](background, w, nil)),
		"FromFile nil":       second(fd.FromFile(nil)),
	} {
		assert.ErrorIs(t, err, unix.EINVAL, what)
		assert.ErrorContains(t, err, "iofd: ", what)
	}
	assert.Equal(t, number, r.Fd())
	_, err := r.Read(make([]byte, 1))
	assert.Equal(t, fd.ErrWouldBlock, err, "nothing was written")

	assert.ErrorIs(t, r.Take(r), unix.EBUSY)
	assert.ErrorIs(t, r.Adopt(r, anything), unix.EBUSY)
	assert.ErrorIs(t, r.Adopt(w, anything), unix.EBUSY)
	_, err = r.Fdinfo("nonsense")
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	position, err := r.Fdinfo("pos")
	require.NoError(t, err)
	assert.Equal(t, "0", position)

	conn, err := r.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	assert.Equal(t, fd.ErrClosed, conn.Control(nil), "closed before anything else")
}

// An empty buffer reads and writes nothing, at once, on every kind of object.
func TestEmptyBuffers(t *testing.T) {
	for _, nonblock := range []bool{true, false} {
		r, w := pipe(t, nonblock)
		for _, p := range [][]byte{nil, {}} {
			for what, call := range map[string]func([]byte) (int, error){
				"Read":         r.Read,
				"Write":        w.Write,
				"Readv":        func(p []byte) (int, error) { return r.Readv([][]byte{p, p}) },
				"Writev":       func(p []byte) (int, error) { return w.Writev([][]byte{p, p}) },
				"ReadContext":  func(p []byte) (int, error) { return r.ReadContext(background, p) },
				"WriteContext": func(p []byte) (int, error) { return w.WriteContext(background, p) },
			} {
				n, err := call(p)
				assert.NoError(t, err, what)
				assert.Zero(t, n, what)
			}
		}
	}
}

// For numbers that are not open, calls return the kernel's error and change nothing.
func TestStrangeNumbers(t *testing.T) {
	for _, number := range []int{1 << 20, 1<<31 - 1} {
		f := fd.New(number)
		assert.True(t, f.Valid())
		assert.EqualValues(t, number, f.Raw())
		for name, call := range closedCalls {
			switch err := call(f); name {
			case "Release", "Pin", "SyscallConn", "Take", "Read nothing", "Readv nothing", "ReadAt nothing", "WriteAt nothing", "same as self":
				// These calls do not ask the kernel. Release and Take leave f closed:
				// make an FD of the number again.
				assert.NoError(t, err, name)
				f = fd.New(number)
			case "nil context", "number, no context", "SameFile", "Adopt by nothing", "ReadAt, negative", "WriteAt, negative", "Shutdown, no how":
				assert.ErrorIs(t, err, unix.EINVAL, name)
			default:
				assert.ErrorIs(t, err, unix.EBADF, name)
				var call *os.SyscallError
				assert.ErrorAs(t, err, &call, name)
			}
		}
		assert.ErrorIs(t, f.Close(), unix.EBADF)
		assert.False(t, f.Valid(), "closed although close(2) failed")
		assert.NoError(t, f.Close())
	}
}

// Kinds of objects without a feature return an error that says so.
func TestWrongKinds(t *testing.T) {
	r, w := pipe(t, true)
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	counter := owned(t, number, err)
	number, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	epoll := owned(t, number, err)
	directory := open(t, "/", unix.O_RDONLY)
	path := open(t, "/", unix.O_PATH)
	full := open(t, "/dev/full", unix.O_WRONLY)
	for _, c := range []struct {
		what string
		call func(*fd.FD) error
		f    *fd.FD
		want unix.Errno
	}{
		{"read of an end for writing", closedCalls["Read"], w, unix.EBADF},
		{"write of an end for reading", closedCalls["Write"], r, unix.EBADF},
		{"read of a directory", closedCalls["Read"], directory, unix.EISDIR},
		{"wait to read a directory", closedCalls["ReadContext"], directory, unix.EISDIR},
		{"write of a directory", closedCalls["Write"], directory, unix.EBADF},
		{"read of a path", closedCalls["Read"], path, unix.EBADF},
		{"mode of a path", closedCalls["SetNonblock"], path, unix.EBADF},
		{"read of an epoll", closedCalls["Read"], epoll, unix.EINVAL},
		{"write of an epoll", closedCalls["Write"], epoll, unix.EINVAL},
		{"seven bytes of a counter", func(f *fd.FD) error { return second(f.Read(make([]byte, 7))) }, counter, unix.EINVAL},
		{"nothing of a counter", closedCalls["Write none"], counter, unix.EINVAL},
		{"write of a full device", closedCalls["Write"], full, unix.ENOSPC},
	} {
		err := c.call(c.f)
		assert.ErrorIs(t, err, c.want, c.what)
		assert.NotErrorIs(t, err, fd.ErrWouldBlock, c.what)
	}
}

// Write divides more bytes than one call may take into several calls. The memory is
// never touched, and so takes no space.
func TestHugeWrite(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector touches it")
	}
	huge, err := unix.Mmap(-1, 0, 1<<30+5, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	require.NoError(t, err)
	defer func() { assert.NoError(t, unix.Munmap(huge)) }()
	null := open(t, "/dev/null", unix.O_WRONLY)
	for _, write := range []func([]byte) (int, error){
		null.Write,
		func(p []byte) (int, error) { return null.WriteContext(background, p) },
	} {
		n, err := write(huge)
		require.NoError(t, err)
		assert.Equal(t, len(huge), n)
	}
}

// A write(2) that writes nothing does not go on for ever.
func TestNothingWritten(t *testing.T) {
	_, w := pipe(t, true)
	systest.Refuse(t, func() {
		n, err := w.Write([]byte("x"))
		assert.Equal(t, io.ErrShortWrite, err)
		assert.Zero(t, n)
	}, systest.Refusal{Call: unix.SYS_WRITE, Errno: 0, Arg: 1, Value: uint32(w.Fd())})
}

// If no numbers are left, every call that needs one fails. It works again when there
// are.
func TestNoNumbersLeft(t *testing.T) {
	r, _ := pipe(t, true)
	blocking, _ := pipe(t, false)
	file, err := os.Open("/")
	require.NoError(t, err)
	defer file.Close()
	calls := map[string]func() error{
		"Dup":         func() error { return closing(r.Dup()) },
		"File":        func() error { return closing(r.File("")) },
		"FromFile":    func() error { return closing(fd.FromFile(file)) },
		"ReadContext": func() error { return readSoon(r) },
		"in blocking": func() error { return readSoon(blocking) },
	}
	before := systest.OpenDescriptors()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	got := make(map[string]error)
	for what, call := range calls {
		got[what] = call()
	}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	for what, err := range got {
		assert.ErrorIs(t, err, unix.EMFILE, what)
	}
	assert.Empty(t, before.Left())
	for what, call := range calls {
		if err := call(); err != context.DeadlineExceeded {
			assert.NoError(t, err, what)
		}
	}
}

func closing[T io.Closer](c T, err error) error {
	if err != nil {
		return err
	}
	return c.Close()
}

func readSoon(f *fd.FD) error {
	soon, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	return readByte(soon, f)
}

// If the kernel refuses a call on the way into a wait, the error names that call. The
// next wait works, and nothing is left.
func TestWaitRefused(t *testing.T) {
	type refuse func(f *fd.FD) systest.Refusal
	for what, c := range map[string]struct {
		nonblock bool
		refuse   refuse
		call     string
	}{
		"mode": {true, func(f *fd.FD) systest.Refusal {
			return systest.Refusal{Call: systest.Fcntl, Errno: unix.EPERM, Arg: 2, Value: unix.F_GETFL}
		}, "fcntl"},
		"duplicate": {true, func(f *fd.FD) systest.Refusal {
			return systest.Refusal{Call: systest.Fcntl, Errno: unix.EPERM, Arg: 2, Value: unix.F_DUPFD_CLOEXEC}
		}, "fcntl"},
		"instance": {false, func(f *fd.FD) systest.Refusal {
			return systest.Refusal{Call: unix.SYS_EPOLL_CREATE1, Errno: unix.EPERM}
		}, "epoll_create1"},
		"member": {false, func(f *fd.FD) systest.Refusal {
			return systest.Refusal{Call: unix.SYS_EPOLL_CTL, Errno: unix.EPERM, Arg: 3, Value: uint32(f.Fd())}
		}, "epoll_ctl"},
		"its mode": {false, func(f *fd.FD) systest.Refusal {
			return systest.Refusal{Call: systest.Fcntl, Errno: unix.EPERM, Arg: 2, Value: unix.F_SETFL}
		}, "fcntl"},
	} {
		t.Run(what, func(t *testing.T) {
			r, w := pipe(t, c.nonblock)
			// The read comes first, so that the mode is known.
			_, err := w.Write([]byte("x"))
			require.NoError(t, err)
			_, err = r.Read(make([]byte, 1))
			require.NoError(t, err)
			before := systest.OpenDescriptors()
			systest.Refuse(t, func() {
				err := readByte(background, r)
				assert.ErrorIs(t, err, unix.EPERM)
				var call *os.SyscallError
				if assert.ErrorAs(t, err, &call) {
					assert.Equal(t, c.call, call.Syscall)
				}
			}, c.refuse(r))
			assert.Empty(t, before.Left())
			assert.Equal(t, context.DeadlineExceeded, readSoon(r))
		})
	}
}

// A descriptor in blocking mode is not read if poll(2) fails: the read(2) would block,
// although the context ends.
func TestPollRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	r := open(t, path, unix.O_RDWR)
	w := r
	systest.Refuse(t, func() {
		err := readSoon(r)
		assert.ErrorIs(t, err, unix.ENOMEM)
		var call *os.SyscallError
		assert.ErrorAs(t, err, &call)
	}, systest.Refusal{Call: unix.SYS_PPOLL, Errno: unix.ENOMEM})
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	assert.NoError(t, readSoon(r))
}

// A descriptor that the runtime's poller does not take is an error, not a wait for
// ever.
func TestPollerRefuses(t *testing.T) {
	r, _ := pipe(t, true)
	systest.Refuse(t, func() { assert.Error(t, readByte(background, r)) },
		systest.Refusal{Call: unix.SYS_EPOLL_CTL, Errno: unix.EPERM})
}

// The error is the same for a descriptor in blocking mode, and the next wait tries the
// poller again.
func TestPollerRefusesBlocking(t *testing.T) {
	r, _ := pipe(t, false)
	pollers := 0
	var refusals []systest.Refusal
	for number := range 64 {
		if object, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number)); object == "anon_inode:[eventpoll]" {
			pollers++
			refusals = append(refusals, systest.Refusal{Call: unix.SYS_EPOLL_CTL, Errno: unix.ENOSPC, Arg: 1, Value: uint32(number)})
		}
	}
	require.Positive(t, pollers)
	before := systest.OpenDescriptors()
	systest.Refuse(t, func() {
		err := readByte(background, r)
		assert.ErrorIs(t, err, os.ErrNoDeadline)
		assert.ErrorContains(t, err, "cannot register descriptor")
	}, refusals...)
	assert.Empty(t, before.Left())
	assert.Equal(t, context.DeadlineExceeded, readSoon(r))
}

// If the kernel refuses a call that changes a flag, the flag and the ownership stay as
// they were.
func TestFlagsRefused(t *testing.T) {
	r, w := pipe(t, true)
	number, err := unix.FcntlInt(uintptr(r.Fd()), unix.F_DUPFD, 0) // as if inherited
	f := owned(t, number, err)
	systest.Refuse(t, func() {
		var to fd.FD
		assert.ErrorIs(t, to.Adopt(f, anything), unix.EPERM)
		assert.False(t, to.Valid())
		assert.Equal(t, number, f.Fd(), "still the caller's")
		assert.ErrorIs(t, w.SetCloexec(false), unix.EPERM)
	}, systest.Refusal{Call: systest.Fcntl, Errno: unix.EPERM, Arg: 2, Value: unix.F_SETFD})
	systest.Refuse(t, func() {
		assert.ErrorIs(t, second(w.Cloexec()), unix.EPERM)
	}, systest.Refusal{Call: systest.Fcntl, Errno: unix.EPERM, Arg: 2, Value: unix.F_GETFD})
	cloexec, err := w.Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)

	var to fd.FD
	require.NoError(t, to.Adopt(f, anything))
	assert.Equal(t, number, to.Fd())
	cloexec, err = to.Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)
	require.NoError(t, to.Close())
}

// On a kernel without F_DUPFD_QUERY, SameFile uses kcmp(2). Without kcmp(2) there is no
// answer.
func TestSameFileFallsBack(t *testing.T) {
	r, w := pipe(t, true)
	d, err := r.Dup()
	require.NoError(t, err)
	defer d.Close()
	noQuery := systest.Refusal{Call: systest.Fcntl, Errno: unix.EINVAL, Arg: 2, Value: unix.F_DUPFD_QUERY}
	ofPath := noQuery
	ofPath.Errno = unix.EBADF
	for _, refusal := range []systest.Refusal{noQuery, ofPath} {
		systest.Refuse(t, func() {
			if systest.TryCall(unix.SYS_KCMP) != nil {
				return // a filter refuses it to this process
			}
			same, err := r.SameFile(d)
			if errors.Is(err, errors.ErrUnsupported) {
				return // this kernel was built without it
			}
			assert.NoError(t, err)
			assert.True(t, same)
			same, err = r.SameFile(w)
			assert.NoError(t, err)
			assert.False(t, same)
		}, refusal)
	}
	systest.Refuse(t, func() {
		_, err := r.SameFile(d)
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorContains(t, err, "kcmp")
		same, err := r.SameFile(r)
		assert.NoError(t, err)
		assert.True(t, same, "that is plain")
	}, noQuery, systest.Refusal{Call: unix.SYS_KCMP, Errno: unix.ENOSYS})
}
