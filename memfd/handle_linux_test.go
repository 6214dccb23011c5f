package memfd_test

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
)

func TestString(t *testing.T) {
	m, err := memfd.New("x")
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint("memfd ", m.Fd()), m.String())
	require.NoError(t, m.Close())
	assert.Equal(t, "memfd closed", m.String())
}

// A closed file returns ErrClosed, with any arguments.
func TestClosed(t *testing.T) {
	closed, err := memfd.New("closed")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	require.NoError(t, closed.Close())
	for _, m := range []*memfd.MemFD{closed, {}} {
		for name, call := range map[string]func() error{
			"Read":         func() error { _, err := m.Read(make([]byte, 1)); return err },
			"Read, empty":  func() error { _, err := m.Read(nil); return err },
			"Write":        func() error { _, err := m.Write([]byte("x")); return err },
			"Write, empty": func() error { _, err := m.Write(nil); return err },
			"ReadAt":       func() error { _, err := m.ReadAt(nil, -1); return err },
			"WriteAt":      func() error { _, err := m.WriteAt(nil, -1); return err },
			"Seek":         func() error { _, err := m.Seek(-1, 77); return err },
			"ReadFrom":     func() error { _, err := m.ReadFrom(nil); return err },
			"WriteTo":      func() error { _, err := m.WriteTo(nil); return err },
			"Truncate":     func() error { return m.Truncate(-1) },
			"Size":         func() error { _, err := m.Size(); return err },
			"Seal":         func() error { return m.Seal(math.MaxUint32) },
			"Seals":        func() error { _, err := m.Seals(); return err },
			"Map":          func() error { _, err := m.Map(-1, -1, -1); return err },
			"Immutable":    func() error { _, err := m.Immutable(); return err },
			"Allocate":     func() error { return m.Allocate(-1, -1) },
			"PunchHole":    func() error { return m.PunchHole(-1, -1) },
			"Reopen":       func() error { _, err := m.ReopenReadOnly(); return err },
			"SendTo":       func() error { return m.SendTo(nil) },
			"Start":        func() error { return m.Start(nil) },
			"Dup":          func() error { _, err := m.Dup(); return err },
			"File":         func() error { _, err := m.File("x"); return err },
			"FromFD":       func() error { _, err := memfd.FromFD(m.FD()); return err },
		} {
			err := call()
			assert.Equal(t, fd.ErrClosed, err, name)
		}
		assert.False(t, m.Valid())
		assert.Equal(t, -1, m.Fd())
		assert.EqualValues(t, -1, m.Raw())
		assert.Empty(t, m.Path())
		assert.NoError(t, m.Close())
	}
	assert.Equal(t, "closed", closed.Name())
}

func TestDup(t *testing.T) {
	m := createWith(t, "0123456789", memfd.AllowSealing)
	d, err := m.Dup()
	require.NoError(t, err)
	defer d.Close()
	assert.NotEqual(t, m.Fd(), d.Fd())
	assert.Equal(t, m.Name(), d.Name())
	cloexec, err := d.FD().Cloexec()
	require.NoError(t, err)
	assert.True(t, cloexec)

	_, err = d.Seek(4, io.SeekStart)
	require.NoError(t, err)
	assert.EqualValues(t, 4, offset(t, m), "one offset for both")
	require.NoError(t, d.Seal(memfd.SealGrow))
	require.NoError(t, m.Close())
	assert.Equal(t, "0123456789", content(t, d))
	require.NoError(t, mapFile(t, d, 0, 10, memfd.ReadOnly).Close())
}

func TestFromFD(t *testing.T) {
	for _, name := range []string{"", "plain", "name (deleted)", "with/slash and\nspace"} {
		m, err := memfd.NewSealed(name, []byte("0123456789"))
		require.NoError(t, err)
		f, err := m.FD().Dup()
		require.NoError(t, err)
		require.NoError(t, f.SetCloexec(false))
		number := f.Fd()

		received, err := memfd.FromFD(f)
		require.NoError(t, err)
		assert.False(t, f.Valid())
		assert.Equal(t, number, received.Fd())
		assert.Equal(t, name, received.Name())
		assert.Equal(t, "0123456789", content(t, received))
		require.NoError(t, mapFile(t, received, 0, 10, memfd.ReadOnly).Close())
		cloexec, err := received.FD().Cloexec()
		require.NoError(t, err)
		assert.True(t, cloexec)
		require.NoError(t, received.Close())
		require.NoError(t, m.Close())
	}
}

// After FromFD the kernel decides about seals.
func TestFromFDSeal(t *testing.T) {
	for name, m := range map[string]*memfd.MemFD{
		"allowed":     create(t, memfd.AllowSealing),
		"not allowed": create(t, memfd.WithoutExecSeal),
	} {
		f, err := m.FD().Dup()
		require.NoError(t, err)
		received, err := memfd.FromFD(f)
		require.NoError(t, err)
		err = received.Seal(memfd.SealGrow)
		if name == "allowed" {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, unix.EPERM)
			require.ErrorContains(t, err, "the file is sealed against it (seal)")
		}
		require.NoError(t, received.Close())
	}
}

func TestFromFDRefused(t *testing.T) {
	_, err := memfd.FromFD(nil)
	require.ErrorIs(t, err, unix.EINVAL)

	lookalike, err := os.Create(t.TempDir() + "/memfd:name (deleted)")
	require.NoError(t, err)
	defer lookalike.Close()
	pipe, writer, err := os.Pipe()
	require.NoError(t, err)
	defer pipe.Close()
	defer writer.Close()
	for _, file := range []*os.File{lookalike, pipe} {
		f, err := fd.FromFile(file)
		require.NoError(t, err)
		require.NoError(t, f.SetCloexec(false))
		m, err := memfd.FromFD(f)
		require.ErrorIs(t, err, unix.EINVAL)
		require.Nil(t, m)
		cloexec, err := f.Cloexec()
		require.NoError(t, err, "the descriptor stays the caller's")
		assert.False(t, cloexec, "as it was")
		require.NoError(t, f.Close())
	}

	m := create(t)
	pin, err := m.FD().Pin()
	require.NoError(t, err)
	_, err = memfd.FromFD(m.FD())
	require.ErrorIs(t, err, unix.EBUSY)
	assert.True(t, m.Valid())
	pin.Unpin()
}

func TestNameOf(t *testing.T) {
	for object, want := range map[string]string{
		"/memfd:a (deleted)":           "a",
		"/memfd: (deleted)":            "",
		"/memfd:a (deleted) (deleted)": "a (deleted)",
		"/memfd:a":                     "no",
		"/tmp/memfd:a (deleted)":       "no",
		"memfd:a (deleted)":            "no",
		"/secretmem (deleted)":         "no",
		"pipe:[4711]":                  "no",
		"":                             "no",
	} {
		name, ok := memfd.NameOf(object)
		assert.Equal(t, want != "no", ok, object)
		if ok {
			assert.Equal(t, want, name)
		}
	}
}

// A file that FromFD makes of an FD from NewNonblock uses the entersyscall path.
func TestFromFDNonblock(t *testing.T) {
	m := createWith(t, "abc")
	number, err := unix.FcntlInt(uintptr(m.Fd()), unix.F_DUPFD_CLOEXEC, 0)
	require.NoError(t, err)
	received, err := memfd.FromFD(fd.NewNonblock(number))
	require.NoError(t, err)
	defer received.Close()
	assert.False(t, received.FD().Internal().Fast())
	assert.Equal(t, "abc", content(t, received))
}

// receive is the child of TestChild: it checks the files that it inherited.
func receive() error {
	for number := 3; number < 5; number++ {
		m, err := memfd.FromFD(fd.New(number))
		if err != nil {
			return err
		}
		seals, err := m.Seals()
		if err != nil {
			return err
		}
		text, err := io.ReadAll(m)
		if err != nil {
			return err
		}
		_, err = m.WriteAt([]byte("child"), 0)
		fmt.Printf("%s, %v: %s, %v\n", m.Name(), seals&^memfd.SealExec, text, err)
		if err := m.Close(); err != nil {
			return err
		}
	}
	return nil
}

func TestChild(t *testing.T) {
	sealed, err := memfd.NewSealed("sealed", []byte("immutable"))
	require.NoError(t, err)
	defer sealed.Close()
	open := createWith(t, "parent", memfd.AllowSealing)
	require.NoError(t, open.Seal(memfd.SealGrow))
	var files []*os.File
	for _, m := range []*memfd.MemFD{sealed, open} {
		file, err := m.File(m.Name())
		require.NoError(t, err)
		defer file.Close()
		files = append(files, file)
	}
	require.Equal(t, ""+
		"sealed, seal|shrink|grow|write: immutable, "+
		"iofd: memfd: WriteAt: the file is sealed against it (write): pwrite64: operation not permitted\n"+
		"test, grow: parent, <nil>\n",
		startChild(t, files...))
	assert.Equal(t, "childt", content(t, open))
}

// Calls that race with Close end on the file they began with or with ErrClosed,
// and never reach the number's next owner.
func TestCloseRace(t *testing.T) {
	for range 100 {
		m, err := memfd.New("victim")
		require.NoError(t, err)
		require.NoError(t, m.Truncate(1<<16))
		var group sync.WaitGroup
		var calls atomic.Int64
		for _, call := range []func() error{
			func() error { _, err := m.WriteAt([]byte("extra"), 10); return err },
			func() error { _, err := m.Write([]byte("extra")); return err },
			func() error { _, err := m.ReadAt(make([]byte, 10), 0); return err },
			func() error { _, err := m.Seek(0, io.SeekStart); return err },
			func() error { return m.Truncate(1 << 16) },
			func() error { _, err := m.ReadFrom(strings.NewReader("extra")); return err },
			func() error {
				mapping, err := m.Map(0, 10, memfd.ReadWrite)
				if err != nil {
					return err
				}
				return mapping.Close()
			},
		} {
			group.Go(func() {
				for {
					calls.Add(1)
					if err := call(); err != nil {
						assert.Equal(t, fd.ErrClosed, err)
						return
					}
					runtime.Gosched()
				}
			})
		}
		for calls.Load() < 20 {
			runtime.Gosched()
		}
		require.NoError(t, m.Close())
		next, err := memfd.New("next owner")
		require.NoError(t, err)
		group.Wait()
		size, err := next.Size()
		require.NoError(t, err)
		require.Zero(t, size)
		require.NoError(t, next.Close())
	}
}

// Concurrent reads of the one offset get different bytes.
func TestConcurrentReads(t *testing.T) {
	const n = 2000
	m := create(t)
	for i := range n {
		_, err := fmt.Fprintf(m, "%04d", i)
		require.NoError(t, err)
	}
	_, err := m.Seek(0, io.SeekStart)
	require.NoError(t, err)
	var seen [n]atomic.Int32
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			var p [4]byte
			for {
				_, err := m.Read(p[:])
				if err == io.EOF {
					return
				}
				var i int
				_, scanErr := fmt.Sscanf(string(p[:]), "%d", &i)
				if !assert.NoError(t, err) || !assert.NoError(t, scanErr) {
					return
				}
				seen[i].Add(1)
			}
		})
	}
	group.Wait()
	for i := range seen {
		require.EqualValues(t, 1, seen[i].Load(), i)
	}
}
