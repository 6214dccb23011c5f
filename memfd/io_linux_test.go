package memfd_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

func TestReader(t *testing.T) {
	for _, text := range []string{"", "x", "hello, world", strings.Repeat("0123456789abcdef", 4096)} {
		m := createWith(t, text)
		require.NoError(t, iotest.TestReader(m, []byte(text)))
	}
}

func TestReadWriteSeek(t *testing.T) {
	m := create(t)
	n, err := m.Write([]byte("hello, world"))
	require.NoError(t, err)
	assert.Equal(t, 12, n)
	assert.EqualValues(t, 12, offset(t, m))

	p := make([]byte, 20)
	_, err = m.Read(p)
	assert.Equal(t, io.EOF, err)
	n, err = m.Read(nil)
	assert.NoError(t, err, "an empty read is no end of file")
	assert.Zero(t, n)

	for _, tt := range []struct {
		offset int64
		whence int
		want   int64
	}{
		{7, io.SeekStart, 7},
		{-2, io.SeekCurrent, 5},
		{2, io.SeekCurrent, 7},
		{-5, io.SeekEnd, 7},
		{100, io.SeekEnd, 112},
		{7, io.SeekStart, 7},
	} {
		got, err := m.Seek(tt.offset, tt.whence)
		require.NoError(t, err)
		require.Equal(t, tt.want, got)
	}
	n, err = m.Read(p)
	require.NoError(t, err)
	assert.Equal(t, "world", string(p[:n]))
}

func TestReadAt(t *testing.T) {
	m := createWith(t, "0123456789")
	for _, tt := range []struct {
		name string
		n    int
		off  int64
		want string
		err  error
	}{
		{"all", 10, 0, "0123456789", nil},
		{"middle", 3, 4, "456", nil},
		{"over the end", 5, 8, "89", io.EOF},
		{"at the end", 5, 10, "", io.EOF},
		{"beyond", 5, 1 << 40, "", io.EOF},
		{"over the largest offset", 100, math.MaxInt64 - 5, "", io.EOF},
		{"at the largest offset", 100, math.MaxInt64, "", io.EOF},
		{"nothing", 0, 4, "", nil},
		{"nothing beyond", 0, 1 << 40, "", nil},
		{"negative", 5, -1, "", unix.EINVAL},
		{"most negative", 5, math.MinInt64, "", unix.EINVAL},
		{"nothing, negative", 0, -1, "", unix.EINVAL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := make([]byte, tt.n)
			n, err := m.ReadAt(p, tt.off)
			require.ErrorIs(t, err, tt.err)
			assert.Equal(t, tt.want, string(p[:n]))
			assert.Zero(t, offset(t, m))
		})
	}
}

// A Read whose range ends past the largest offset gets the bytes before that.
func TestReadNearLargestOffset(t *testing.T) {
	const off = math.MaxInt64 - 5
	m := create(t)
	for _, content := range []string{"", "abc", "abcde"} {
		_, err := m.WriteAt([]byte(content), off)
		require.NoError(t, err)
		_, err = m.Seek(off, io.SeekStart)
		require.NoError(t, err)
		got, err := io.ReadAll(m)
		assert.NoError(t, err)
		assert.Equal(t, content, string(got))
		n, err := m.WriteTo(io.Discard)
		assert.NoError(t, err)
		assert.Zero(t, n)
	}
	_, err := m.Seek(math.MaxInt64, io.SeekStart)
	require.NoError(t, err)
	_, err = m.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
}

func TestWriteAt(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		off  int64
		want string
		err  error
	}{
		{"inside", "xy", 4, "0123xy6789", nil},
		{"over the end", "xyz", 8, "01234567xyz", nil},
		{"beyond", "x", 12, "0123456789\x00\x00x", nil},
		{"nothing", "", 4, "0123456789", nil},
		{"nothing beyond", "", 100, "0123456789", nil},
		{"negative", "x", -1, "0123456789", unix.EINVAL},
		{"nothing, negative", "", -1, "0123456789", unix.EINVAL},
		{"past the largest offset", "xy", math.MaxInt64 - 1, "0123456789", unix.EINVAL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := createWith(t, "0123456789")
			n, err := m.WriteAt([]byte(tt.text), tt.off)
			require.ErrorIs(t, err, tt.err)
			if tt.err == nil {
				assert.Equal(t, len(tt.text), n)
			}
			assert.Equal(t, tt.want, content(t, m))
			assert.Zero(t, offset(t, m))
		})
	}
}

func TestSeekRefused(t *testing.T) {
	m := createWith(t, "0123456789")
	_, err := m.Seek(5, io.SeekStart)
	require.NoError(t, err)
	for _, tt := range []struct {
		offset int64
		whence int
		want   string
	}{
		{-1, io.SeekStart, "-1 bytes from the start"},
		{-6, io.SeekCurrent, "-6 bytes from the present offset"},
		{-11, io.SeekEnd, "-11 bytes from the end"},
		{math.MinInt64, io.SeekCurrent, "from the present offset"},
		{math.MaxInt64, io.SeekCurrent, "from the present offset"},
		{math.MaxInt64, io.SeekEnd, "from the end"},
		{0, -1, "whence -1"},
		{0, 5, "whence 5"},
		{0, math.MaxInt, "whence"},
	} {
		got, err := m.Seek(tt.offset, tt.whence)
		require.ErrorIs(t, err, unix.EINVAL, "%d %d", tt.offset, tt.whence)
		require.ErrorContains(t, err, tt.want)
		assert.Zero(t, got)
		assert.EqualValues(t, 5, offset(t, m))
	}
}

func TestSparse(t *testing.T) {
	m := create(t)
	const far int64 = 1 << 40 // within reach of 32-bit kernels
	require.NoError(t, m.Truncate(far))
	n, err := m.WriteAt([]byte("far"), far)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	size, err := m.Size()
	require.NoError(t, err)
	assert.Equal(t, far+3, size)

	p := make([]byte, 10)
	n, err = m.ReadAt(p, far-7)
	require.NoError(t, err)
	assert.Equal(t, "\x00\x00\x00\x00\x00\x00\x00far", string(p[:n]))

	data, err := m.Seek(0, unix.SEEK_DATA)
	require.NoError(t, err)
	assert.Equal(t, far, data)
	hole, err := m.Seek(far, unix.SEEK_HOLE)
	require.NoError(t, err)
	assert.Equal(t, far+3, hole)
	before := offset(t, m)
	for _, whence := range []int{unix.SEEK_DATA, unix.SEEK_HOLE} {
		for _, none := range []int64{-1, far + 3, far + 4} {
			_, err = m.Seek(none, whence)
			require.ErrorIs(t, err, unix.ENXIO, "%d %d", none, whence)
		}
	}
	assert.Equal(t, before, offset(t, m))

	at, err := m.Seek(-3, io.SeekEnd)
	require.NoError(t, err)
	assert.Equal(t, far, at)
	n, err = m.Read(p)
	require.NoError(t, err)
	assert.Equal(t, "far", string(p[:n]))
}

// RLIMIT_FSIZE limits a memfd like any file, and its signal does not end a Go program.
func TestFileSizeLimit(t *testing.T) {
	systest.NotEmulated(t, "the emulator changes neither users nor namespaces")
	if !systest.IsChild(t.Name()) {
		runChild(t, nil)
		return
	}
	const limit = 4096
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: before.Max}))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &before)) }() // for the report of coverage
	m := create(t)
	require.ErrorIs(t, m.Truncate(limit+1), unix.EFBIG)
	n, err := m.Write(make([]byte, limit+1))
	require.ErrorIs(t, err, unix.EFBIG)
	assert.Equal(t, limit, n)
	_, err = m.WriteAt([]byte("x"), limit)
	require.ErrorIs(t, err, unix.EFBIG)
}

// A page that was never written uses memory once it is read through a mapping, and
// none if read(2) reads it.
func TestReadOfHole(t *testing.T) {
	page := os.Getpagesize()
	blocks := func(m *memfd.MemFD) int64 {
		var st unix.Stat_t
		require.NoError(t, unix.Fstat(m.Fd(), &st))
		return st.Blocks
	}
	m := create(t)
	require.NoError(t, m.Truncate(int64(page)))
	_, err := m.ReadAt(make([]byte, page), 0)
	require.NoError(t, err)
	assert.Zero(t, blocks(m), "by read(2)")
	for _, prot := range []memfd.Prot{memfd.ReadOnly, memfd.ReadWrite, memfd.CopyOnWrite} {
		m := create(t)
		require.NoError(t, m.Truncate(int64(page)))
		mapping := mapFile(t, m, 0, page, prot)
		assert.Zero(t, blocks(m), prot)
		assert.Zero(t, mapping.Bytes()[0], prot)
		assert.Positive(t, blocks(m), prot)
	}
}

func TestTruncate(t *testing.T) {
	m := createWith(t, "0123456789")
	_, err := m.Seek(8, io.SeekStart)
	require.NoError(t, err)
	require.NoError(t, m.Truncate(4))
	assert.Equal(t, "0123", content(t, m))
	require.NoError(t, m.Truncate(6))
	assert.Equal(t, "0123\x00\x00", content(t, m))
	assert.EqualValues(t, 8, offset(t, m))

	for _, size := range []int64{-1, math.MinInt64} {
		err := m.Truncate(size)
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, "negative")
	}
	assert.Equal(t, "0123\x00\x00", content(t, m))
}

func TestPunchHole(t *testing.T) {
	page := os.Getpagesize()
	long := strings.Repeat("0123456789abcdef", 3*page/16)
	blocks := func(m *memfd.MemFD) int64 {
		var st unix.Stat_t
		require.NoError(t, unix.Fstat(m.Fd(), &st))
		return int64(st.Blocks) * 512
	}
	for _, tt := range []struct {
		name   string
		off, n int
		freed  int // pages
	}{
		{"a byte", 5, 1, 0},
		{"within a page", 10, page - 20, 0},
		{"a page", page, page, 1},
		{"over the edges", page - 10, page + 20, 1},
		{"all", 0, 3 * page, 3},
		{"over the end", 2 * page, 2 * page, 1},
		{"beyond the end", 4 * page, page, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := createWith(t, long)
			mapping := mapFile(t, m, 0, len(long), memfd.ReadOnly)
			before := blocks(m)
			require.NoError(t, m.PunchHole(int64(tt.off), int64(tt.n)))
			assert.EqualValues(t, tt.freed*page, before-blocks(m)) // and not after a look through the mapping
			want := []byte(long)
			from, to := min(tt.off, len(want)), min(tt.off+tt.n, len(want))
			clear(want[from:to])
			assert.True(t, bytes.Equal(want, []byte(content(t, m))))
			assert.True(t, bytes.Equal(want, mapping.Bytes()))
			assert.Zero(t, offset(t, m))
		})
	}
}

func TestPunchHoleRefused(t *testing.T) {
	m := createWith(t, "0123456789")
	for _, tt := range []struct {
		off, n int64
		want   string
	}{
		{-1, 1, "offset -1 is negative"},
		{math.MinInt64, math.MaxInt64, "is negative"},
		{0, 0, "length 0 is not positive"},
		{0, -1, "length -1 is not positive"},
		{5, math.MinInt64, "is not positive"},
		{1, math.MaxInt64, "9223372036854775807 bytes from offset 1 end past the largest offset"},
		{math.MaxInt64, 1, "end past the largest offset"},
	} {
		err := m.PunchHole(tt.off, tt.n)
		require.ErrorIs(t, err, unix.EINVAL, "%+v", tt)
		require.ErrorContains(t, err, tt.want)
		require.Equal(t, "0123456789", content(t, m))
	}
	require.NoError(t, m.PunchHole(math.MaxInt64-1, 1))
	require.NoError(t, m.PunchHole(0, math.MaxInt64))
	require.Equal(t, strings.Repeat("\x00", 10), content(t, m))
}

func TestReadFrom(t *testing.T) {
	long := strings.Repeat("0123456789", 10000)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		r    io.Reader
		n    int64
		want string
		err  error
	}{
		{"empty", strings.NewReader(""), 0, "", nil},
		{"long", strings.NewReader(long), 100000, long, nil},
		{"bytewise", iotest.OneByteReader(strings.NewReader("abc")), 3, "abc", nil},
		{"EOF with data", iotest.DataErrReader(strings.NewReader(long)), 100000, long, nil},
		{"error", iotest.ErrReader(broken), 0, "", broken},
		{"data, then error", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), 3, "abc", broken},
		{"error with data", iotest.DataErrReader(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken))), 3, "abc", broken},
		{"timeout", iotest.TimeoutReader(iotest.HalfReader(strings.NewReader(long))), 16384, long[:16384], iotest.ErrTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := createWith(t, "..")
			_, err := m.Seek(2, io.SeekStart)
			require.NoError(t, err)
			n, err := m.ReadFrom(tt.r)
			assert.Equal(t, tt.err, err)
			assert.Equal(t, tt.n, n)
			assert.Equal(t, ".."+tt.want, content(t, m))
			assert.Equal(t, 2+tt.n, offset(t, m))
		})
	}
}

// countReader and countWriter return the count that they are given.
type (
	countReader int
	countWriter int
)

func (c countReader) Read([]byte) (int, error)  { return int(c), nil }
func (c countWriter) Write([]byte) (int, error) { return int(c), nil }

func TestImpossibleCounts(t *testing.T) {
	m := createWith(t, "abc")
	for _, count := range []int{-1, math.MinInt, math.MaxInt} {
		n, err := m.ReadFrom(countReader(count))
		require.ErrorContains(t, err, "impossible count")
		assert.Zero(t, n)
		n, err = m.WriteTo(countWriter(count))
		require.ErrorContains(t, err, "impossible count")
		assert.Zero(t, n)
		assert.Zero(t, offset(t, m))
	}
}

func TestReadFromWriteFails(t *testing.T) {
	m := createWith(t, "0123456789", memfd.AllowSealing)
	require.NoError(t, m.Seal(memfd.SealWrite))
	n, err := m.ReadFrom(strings.NewReader("abc"))
	require.ErrorIs(t, err, unix.EPERM)
	assert.EqualValues(t, 3, n, "bytes read")
	assert.Zero(t, offset(t, m), "bytes written")
}

// shortWriter takes limit bytes in all, at most chunk at a time, and then fails
// with err.
type shortWriter struct {
	bytes.Buffer
	limit int
	err   error
}

func (w *shortWriter) Write(p []byte) (int, error) {
	if room := w.limit - w.Len(); len(p) > room {
		n, _ := w.Buffer.Write(p[:room])
		return n, w.err
	}
	return w.Buffer.Write(p)
}

func TestWriteTo(t *testing.T) {
	long := strings.Repeat("0123456789", 10000)
	broken := errors.New("broken")
	for _, tt := range []struct {
		name  string
		limit int
		err   error
		want  error
	}{
		{"all", len(long), broken, nil},
		{"error at once", 0, broken, broken},
		{"error in the first buffer", 10, broken, broken},
		{"error in a later buffer", 70000, broken, broken},
		{"error between buffers", 64 << 10, broken, broken},
		{"short without error", 70000, nil, io.ErrShortWrite},
		{"nothing without error", 0, nil, io.ErrShortWrite},
		{"EOF", 70000, io.EOF, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := createWith(t, ".."+long)
			_, err := m.Seek(2, io.SeekStart)
			require.NoError(t, err)
			w := &shortWriter{limit: tt.limit, err: tt.err}
			n, err := m.WriteTo(w)
			assert.Equal(t, tt.want, err)
			assert.EqualValues(t, tt.limit, n)
			assert.Equal(t, long[:tt.limit], w.String())
			assert.EqualValues(t, 2+tt.limit, offset(t, m))

			// The bytes that were not taken are still there.
			rest, err := io.ReadAll(m)
			require.NoError(t, err)
			assert.Equal(t, long[tt.limit:], string(rest))
		})
	}
}

// closer closes the file that is written to it.
type closer struct{ m *memfd.MemFD }

func (c closer) Write([]byte) (int, error) { return 1, c.m.Close() }

func TestWriteToLoses(t *testing.T) {
	m := createWith(t, "abc")
	n, err := m.WriteTo(closer{m})
	assert.EqualValues(t, 1, n)
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.ErrorIs(t, err, os.ErrClosed, "bytes were lost, and the error says why")
}

func TestCopy(t *testing.T) {
	long := strings.Repeat("0123456789", 10000)
	from, to := createWith(t, long), create(t)
	n, err := io.Copy(to, from)
	require.NoError(t, err)
	assert.EqualValues(t, len(long), n)
	assert.Equal(t, long, content(t, to))

	file, err := from.File("file")
	require.NoError(t, err)
	defer file.Close()
	_, err = file.Seek(0, io.SeekStart)
	require.NoError(t, err)
	to = create(t)
	n, err = io.Copy(to, file)
	require.NoError(t, err)
	assert.EqualValues(t, len(long), n)
	assert.Equal(t, long, content(t, to))
}

func TestNilPartner(t *testing.T) {
	m := create(t)
	_, err := m.ReadFrom(nil)
	require.ErrorIs(t, err, unix.EINVAL)
	require.ErrorContains(t, err, "reader is nil")
	_, err = m.WriteTo(nil)
	require.ErrorIs(t, err, unix.EINVAL)
	require.ErrorContains(t, err, "writer is nil")
}

// setAppend sets O_APPEND, as a process can that shares the open file description.
func setAppend(t *testing.T, m *memfd.MemFD) {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(m.Fd()), unix.F_GETFL, 0)
	require.NoError(t, err)
	_, err = unix.FcntlInt(uintptr(m.Fd()), unix.F_SETFL, flags|unix.O_APPEND)
	require.NoError(t, err)
}

// WriteAt never appends. If the kernel cannot ignore O_APPEND, WriteAt returns an error.
func TestWriteAtAppend(t *testing.T) {
	m := createWith(t, "hello world")
	setAppend(t, m)
	n, err := m.WriteAt([]byte("J"), 0)
	if err != nil {
		systest.SkipUnsupported(t, err, 6, 9)
	}
	assert.Equal(t, 1, n)
	assert.Equal(t, "Jello world", content(t, m))
	assert.Zero(t, offset(t, m))
	long := strings.Repeat("0123456789", 10000)
	n, err = m.WriteAt([]byte(long), 6)
	require.NoError(t, err)
	assert.Equal(t, len(long), n)
	assert.Equal(t, "Jello "+long, content(t, m))
	assert.NoError(t, m.PunchHole(0, 6), "which needs no such flag")
	assert.Equal(t, strings.Repeat("\x00", 6)+long, content(t, m))

	_, err = m.Write([]byte("the end"))
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("\x00", 6)+long+"the end", content(t, m), "Write appends")
}

// A kernel before Linux 6.9 returns EOPNOTSUPP, and one before 4.6 ENOSYS. A seccomp(2)
// filter may return EPERM.
func TestWriteAtNoAppendRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EOPNOTSUPP, unix.ENOSYS, unix.EPERM} {
		m := createWith(t, "hello world")
		systest.Refuse(t, func() {
			n, err := m.WriteAt([]byte("J"), 0)
			assert.NoError(t, err)
			assert.Equal(t, 1, n)
			assert.Equal(t, "Jello world", content(t, m))
			p := []byte("J")
			assert.Zero(t, testing.AllocsPerRun(10, func() { _, _ = m.WriteAt(p, 0) }))
			setAppend(t, m)
			n, err = m.WriteAt([]byte("C"), 0)
			assert.Zero(t, n)
			assert.ErrorIs(t, err, errno)
			if errno != unix.EPERM {
				assert.ErrorIs(t, err, errors.ErrUnsupported)
				assert.ErrorContains(t, err, "memfd: WriteAt: O_APPEND is set, and this kernel would append")
			}
			assert.Equal(t, "Jello world", content(t, m))
		}, systest.Refusal{Call: unix.SYS_PWRITEV2, Errno: errno})
	}
}

// The error of a sealed file names the seal, with O_APPEND too.
func TestWriteAtAppendSealed(t *testing.T) {
	m := createWith(t, "hello world", memfd.AllowSealing, memfd.WithoutExecSeal)
	require.NoError(t, m.Seal(memfd.SealWrite))
	_, err := m.WriteAt([]byte("J"), 0)
	require.ErrorIs(t, err, unix.EPERM)
	setAppend(t, m)
	_, err = m.WriteAt([]byte("J"), 0)
	if errors.Is(err, errors.ErrUnsupported) {
		systest.SkipUnsupported(t, err, 6, 9)
	}
	require.EqualError(t, err, "iofd: memfd: WriteAt: the file is sealed against it (write): pwritev2: operation not permitted")
}

// A regular file cannot be read without blocking, even in non-blocking mode.
func TestTellsScheduler(t *testing.T) {
	m := createWith(t, "abc")
	require.NoError(t, m.FD().SetNonblock(true))
	_, err := m.Read(make([]byte, 3))
	require.NoError(t, err)
	assert.False(t, m.FD().Internal().Fast())
}

func TestAllocations(t *testing.T) {
	m := createWith(t, "0123456789")
	p := make([]byte, 4)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = m.ReadAt(p, 2)
		_, _ = m.WriteAt(p, 2)
		_, _ = m.Seek(1, io.SeekStart)
		_, _ = m.Read(p)
		_, _ = m.Write(p)
		_, _ = m.Seals()
		_ = m.Truncate(10)
	}))
}
