package fd_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// A model describes the two ends of a pipe, or of two sockets of which only one writes,
// and any number of FDs for each. It predicts the result of every call.
type model struct {
	t       testing.TB
	socket  bool
	content []byte
	pieces  int  // writes since there was no content
	next    byte // to be written
	ends    [2]end
	fds     []*modelFD
}

// reader and writer are the indices of ends.
const (
	reader = iota
	writer
)

// An end is one open file description.
type end struct{ blocking bool }

type modelFD struct {
	*fd.FD
	end     int
	number  int
	closed  bool
	pins    []*fd.Pin
	cloexec bool
}

func newModel(t testing.TB, socket bool) *model {
	m := &model{t: t, socket: socket}
	var p [2]int
	if socket {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		require.NoError(t, err)
		p = pair
	} else {
		require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	}
	for end, number := range p {
		m.add(fd.New(number), end)
	}
	return m
}

func (m *model) add(f *fd.FD, end int) {
	m.fds = append(m.fds, &modelFD{FD: f, end: end, number: f.Fd(), cloexec: true})
}

// unpin ends the newest pin, twice.
func (f *modelFD) unpin() {
	if last := len(f.pins) - 1; last >= 0 {
		f.pins[last].Unpin()
		f.pins[last].Unpin()
		f.pins = f.pins[:last]
	}
}

// open reports whether the kernel has a descriptor for that end.
func (m *model) open(end int) bool {
	for _, f := range m.fds {
		if f.end == end && (!f.closed || len(f.pins) > 0) {
			return true
		}
	}
	return false
}

const (
	maxFDs     = 8
	maxContent = 4096 // far below what fits,
	maxPieces  = 100  // each of which costs a socket most of a kilobyte more
)

// do makes one call of an FD.
func (m *model) do(op, which, arg byte) {
	t := m.t
	f := m.fds[int(which)%len(m.fds)]
	want := func(want, got error, what string) {
		t.Helper()
		if f.closed {
			want = fd.ErrClosed
		}
		require.ErrorIs(t, got, want, "%s of %+v", what, f)
	}
	switch op % 15 {
	case 0:
		m.write(f, int(arg)%64, f.Write)
	case 1:
		m.read(f, int(arg)%64, f.Read, fd.ErrWouldBlock)
	case 2:
		ended, cancel := context.WithCancel(background)
		cancel()
		m.read(f, int(arg)%64, func(p []byte) (int, error) { return f.ReadContext(ended, p) }, context.Canceled)
	case 3:
		require.NoError(t, f.Close())
		f.closed = true
	case 4:
		if len(m.fds) == maxFDs {
			return
		}
		d, err := f.Dup()
		want(nil, err, "Dup")
		if err == nil {
			m.add(d, f.end)
		}
	case 5:
		pin, err := f.Pin()
		want(nil, err, "Pin")
		if err == nil {
			require.Equal(t, f.number, pin.Number())
			f.pins = append(f.pins, pin)
		}
	case 6:
		f.unpin()
	case 7:
		number, err := f.Release()
		if len(f.pins) > 0 {
			want(unix.EBUSY, err, "Release")
			return
		}
		want(nil, err, "Release")
		if err == nil {
			require.Equal(t, f.number, number)
			require.False(t, f.Valid())
			f.FD = fd.New(number)
		}
	case 8:
		to := new(fd.FD)
		err := to.Take(f.FD)
		if len(f.pins) > 0 {
			want(unix.EBUSY, err, "Take")
			return
		}
		want(nil, err, "Take")
		if err == nil {
			require.False(t, f.Valid())
			f.FD = to
		}
	case 9:
		err := f.SetNonblock(arg%2 == 0)
		want(nil, err, "SetNonblock")
		if err == nil {
			m.ends[f.end].blocking = arg%2 != 0
		}
	case 10:
		err := f.SetCloexec(arg%2 == 0)
		want(nil, err, "SetCloexec")
		if err == nil {
			f.cloexec = arg%2 == 0
		}
	case 11:
		other := m.fds[int(arg)%len(m.fds)]
		same, err := f.SameFile(other.FD)
		if errors.Is(err, errors.ErrUnsupported) {
			return // see TestSameFile
		}
		if other.closed && !f.closed {
			want(fd.ErrClosed, err, "SameFile")
			return
		}
		want(nil, err, "SameFile")
		require.Equal(t, !f.closed && f.end == other.end, same)
	case 12:
		file, err := f.File("")
		want(nil, err, "File")
		if err == nil {
			require.NoError(t, file.Close())
		}
	case 13:
		m.read(f, int(arg)%64, func(p []byte) (int, error) { return f.Readv(parts(p, 1+int(which)%10)) }, fd.ErrWouldBlock)
	case 14:
		m.write(f, int(arg)%64, func(p []byte) (int, error) { return f.Writev(parts(p, 1+int(which)%10)) })
	}
}

// write writes by call.
func (m *model) write(f *modelFD, n int, call func([]byte) (int, error)) {
	if m.socket && f.end == reader || len(m.content)+n > maxContent || m.pieces == maxPieces {
		return
	}
	data := make([]byte, n)
	for i := range data {
		data[i] = m.next + byte(i)
	}
	got, err := call(data)
	switch {
	case f.closed:
		require.Equal(m.t, fd.ErrClosed, err)
	case f.end == reader:
		require.ErrorIs(m.t, err, unix.EBADF)
	case !m.open(reader) && (n > 0 || m.socket):
		require.ErrorIs(m.t, err, unix.EPIPE)
	default:
		require.NoError(m.t, err)
		require.Equal(m.t, n, got)
		m.content = append(m.content, data...)
		m.pieces++
		m.next += byte(n)
		return
	}
	require.Zero(m.t, got)
}

// read reads by call, which returns wouldBlock if there is no data.
func (m *model) read(f *modelFD, n int, call func([]byte) (int, error), wouldBlock error) {
	empty := len(m.content) == 0
	if m.socket && f.end == writer || empty && m.ends[reader].blocking && m.open(writer) {
		return // it would block indeed
	}
	buf := make([]byte, n)
	got, err := call(buf)
	switch {
	case f.closed:
		require.Equal(m.t, fd.ErrClosed, err)
	case n == 0:
		require.NoError(m.t, err)
	case f.end == writer:
		require.ErrorIs(m.t, err, unix.EBADF)
	case empty && !m.open(writer):
		require.Equal(m.t, io.EOF, err)
	case empty:
		require.Equal(m.t, wouldBlock, err)
	default:
		require.NoError(m.t, err)
		require.Equal(m.t, min(n, len(m.content)), got)
		require.Equal(m.t, m.content[:got], buf[:got])
		if m.content = m.content[got:]; len(m.content) == 0 {
			m.pieces = 0
		}
		return
	}
	require.Zero(m.t, got)
}

// check compares all that can be observed between calls.
func (m *model) check() {
	for _, f := range m.fds {
		require.Equal(m.t, !f.closed, f.Valid())
		if f.closed {
			require.Equal(m.t, -1, f.Fd())
		} else {
			require.Equal(m.t, f.number, f.Fd())
			cloexec, err := f.Cloexec()
			require.NoError(m.t, err)
			require.Equal(m.t, f.cloexec, cloexec)
			nonblock, err := f.Nonblock()
			require.NoError(m.t, err)
			require.Equal(m.t, m.ends[f.end].blocking, !nonblock)
		}
		if !f.closed || len(f.pins) > 0 {
			require.True(m.t, isOpen(f.number))
		}
	}
}

// play makes the calls that ops name, three bytes each, and ends all of them.
func play(t testing.TB, socket bool, ops []byte) {
	before := systest.OpenDescriptors()
	m := newModel(t, socket)
	defer m.end(before)
	for ; len(ops) >= 3; ops = ops[3:] {
		m.do(ops[0], ops[1], ops[2])
		m.check()
	}
}

// end closes all that is open, and checks that nothing is left.
func (m *model) end(before systest.Descriptors) {
	for _, f := range m.fds {
		assert.NoError(m.t, f.Close())
		for len(f.pins) > 0 {
			assert.True(m.t, isOpen(f.number))
			f.unpin()
		}
	}
	assert.Empty(m.t, before.Left())
}

func FuzzModel(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		ops := make([]byte, 3*random.IntN(100))
		for i := range ops {
			ops[i] = byte(random.Uint32())
		}
		f.Add(i%2 == 0, ops)
	}
	f.Fuzz(func(t *testing.T, socket bool, ops []byte) { play(t, socket, ops) })
}
