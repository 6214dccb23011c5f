//go:build linux || darwin || freebsd

package fdtest_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/fd/fdtest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { fdtest.Main(m) }

// A handle is a type that embeds an FD and has a number by Take.
type handle struct{ fd fd.FD }

func newHandle(t testing.TB) *handle {
	h := new(handle)
	require.NoError(t, h.fd.Take(openNull(t)))
	return h
}

func openNull(t testing.TB) *fd.FD { return fd.New(openNumber(t)) }

func openNumber(t testing.TB) int {
	number, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	return number
}

// leaks are what a test can leave open, and the report that has to follow.
var leaks = []struct {
	leave func(t *testing.T)
	want  string // a regular expression, of one paragraph
}{
	{leaveFD, `descriptor \d+ .*whose FD was made in\n\t.*fd\.New\n.*\n\t.*\.openNull\n.*\n\t.*fdtest_test\.leaveFD\n\t\t.*fdtest_test\.go:\d+`},
	{leaveHandle, `\.newHandle\n.*\n\t.*\.leaveHandle\n`},
	{leaveDup, `fd\.\(\*FD\)\.Dup\n.*\n\t.*\.leaveDup\n`},
	{leavePin, `descriptor \d+ .*closed but still pinned or in use, whose(.*\n)+\t.*\.leavePin\n`},
	{leaveFromGoroutine, `\.leaveFromGoroutine\.func1\n`},
	{leaveNumber, `(?m)descriptor \d+ .*which no FD owns$`},
	{leaveReleased, `(?m)descriptor \d+ .*which no FD owns$`},
}

func leaveFD(t *testing.T) { openNull(t) }

func leaveHandle(t *testing.T) { newHandle(t) }

// leaveNumber leaves a number open that an FD has had before.
func leaveNumber(t *testing.T) {
	f := openNull(t)
	number := f.Fd()
	require.NoError(t, f.Close())
	require.Equal(t, number, openNumber(t))
}

func leaveReleased(t *testing.T) {
	_, err := openNull(t).Release()
	require.NoError(t, err)
}

func leaveDup(t *testing.T) {
	f := openNull(t)
	_, err := f.Dup()
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func leavePin(t *testing.T) {
	f := openNull(t)
	_, err := f.Pin()
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func leaveFromGoroutine(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		openNull(t)
	}()
	<-done
}

// noLeaks are actions of tests that leave nothing open.
var noLeaks = map[string]func(t *testing.T){
	"nothing": func(*testing.T) {},
	"Close":   func(t *testing.T) { require.NoError(t, openNull(t).Close()) },
	"handle":  func(t *testing.T) { require.NoError(t, newHandle(t).fd.Close()) },
	"Cleanup": func(t *testing.T) {
		f := openNull(t)
		t.Cleanup(func() { assert.NoError(t, f.Close()) })
	},
	"Release": func(t *testing.T) {
		number, err := openNull(t).Release()
		require.NoError(t, err)
		require.NoError(t, unix.Close(number))
	},
	"Take and back": func(t *testing.T) {
		f := openNull(t)
		h := new(handle)
		require.NoError(t, h.fd.Take(f))
		require.NoError(t, f.Take(&h.fd))
		require.NoError(t, f.Close())
	},
	"Take fails": func(t *testing.T) {
		f, h := openNull(t), newHandle(t)
		require.Error(t, h.fd.Take(f))
		require.NoError(t, f.Close())
		require.NoError(t, h.fd.Close())
	},
	"Unpin": func(t *testing.T) {
		f := openNull(t)
		pin, err := f.Pin()
		require.NoError(t, err)
		require.NoError(t, f.Close())
		pin.Unpin()
	},
	"what was closed otherwise": func(t *testing.T) {
		f := openNull(t)
		require.NoError(t, unix.Close(f.Fd()))
	},
	"a number that is none": func(*testing.T) { fd.New(1 << 20); fd.New(-1) },
	"an FD of before": func(t *testing.T) {
		f := openNull(t)
		t.Run("", noLeaksOnly)
		require.NoError(t, f.Close())
	},
	"subtests": func(t *testing.T) {
		f := openNull(t)
		t.Run("", func(t *testing.T) { require.NoError(t, f.Close()) })
	},
	"parallel subtests": func(t *testing.T) {
		for range 3 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				require.NoError(t, openNull(t).Close())
			})
		}
	},
	"closed in a moment": func(t *testing.T) {
		r, w := openPipe(t)
		read := make(chan error)
		go func() {
			_, err := r.ReadContext(context.Background(), make([]byte, 1))
			read <- err
		}()
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, <-read)
		go func() { _, _ = r.Close(), w.Close() }()
	},
}

func noLeaksOnly(t *testing.T) { fdtest.NoLeaks(t) }

func openPipe(t testing.TB) (r, w *fd.FD) {
	var p [2]int
	require.NoError(t, unix.Pipe(p[:]))
	for _, number := range p {
		unix.CloseOnExec(number)
		require.NoError(t, unix.SetNonblock(number, true))
	}
	return fd.New(p[0]), fd.New(p[1])
}

func TestNoLeaks(t *testing.T) {
	for what, do := range noLeaks {
		t.Run(what, func(t *testing.T) {
			fdtest.NoLeaks(t)
			do(t)
		})
	}
}

// child runs one test of this binary, which should fail, and returns what it
// prints.
func child(t *testing.T, test string) string {
	t.Helper()
	out, err := systest.Child(t, test).CombinedOutput()
	assert.Error(t, err, "it passes: %s", out)
	return string(out)
}

// left returns the paragraphs of a report, without what precedes it.
func left(t *testing.T, report, title string) []string {
	t.Helper()
	_, list, found := strings.Cut(report, title+":\n")
	require.True(t, found, report)
	return strings.Split(list, "descriptor ")[1:]
}

func TestLeaks(t *testing.T) {
	report := child(t, "TestChildLeaks")
	list := left(t, report, "left open by the tests")
	assert.Len(t, list, len(leaks), report)
	for _, leak := range leaks {
		assert.Regexp(t, leak.want, report)
	}
	assert.Equal(t, 1, strings.Count(report, "pinned"))
	assert.Equal(t, 2, strings.Count(report, "which no FD owns"))
	assert.NotContains(t, report, "--- FAIL", "it is Main that fails")
}

func TestChildLeaks(t *testing.T) {
	if systest.IsChild(t.Name()) {
		for _, leak := range leaks {
			leak.leave(t)
		}
	}
}

func TestLeaksInATest(t *testing.T) {
	report := child(t, "TestChildLeaksInATest")
	list := left(t, report, "left open by the test")
	assert.Contains(t, report, "--- FAIL: TestChildLeaksInATest/that_leaks")
	assert.NotContains(t, report, "--- FAIL: TestChildLeaksInATest/that_does_not")
	assert.Regexp(t, `\.TestChildLeaksInATest\.func\d+\n`, list[0])
}

func TestChildLeaksInATest(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	openNull(t) // before NoLeaks
	t.Run("that leaks", func(t *testing.T) {
		fdtest.NoLeaks(t)
		openNull(t)
	})
	t.Run("that does not", noLeaksOnly)
}

// A number that was open before, and that another FD owns now, is a leak as well.
func TestSameNumber(t *testing.T) {
	out := child(t, "TestChildSameNumber")
	assert.Contains(t, out, "left open by the test:")
	assert.Contains(t, out, "fdtest_test.leaveFD")
}

func TestChildSameNumber(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	f := openNull(t)
	fdtest.NoLeaks(t)
	require.NoError(t, f.Close())
	leaveFD(t)
}

func TestParallel(t *testing.T) {
	assert.Contains(t, child(t, "TestChildParallel"), "fdtest: NoLeaks: the test runs in parallel")
	assert.Contains(t, child(t, "TestChildParallelLater"), "panic: testing: ")
}

func TestChildParallel(t *testing.T) {
	if systest.IsChild(t.Name()) {
		t.Parallel()
		t.Run("", noLeaksOnly)
	}
}

func TestChildParallelLater(t *testing.T) {
	if systest.IsChild(t.Name()) {
		fdtest.NoLeaks(t)
		t.Parallel()
	}
}
