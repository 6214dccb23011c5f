//go:build race

package fd_test

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// Data that one goroutine hands to another through a pipe is no race. Each end is an FD, an
// os.File or x/sys.
func TestHandOver(t *testing.T) {
	type end func([]byte) (int, error)
	r, w := pipe(t, true)
	rFile, err := r.File("")
	require.NoError(t, err)
	defer rFile.Close()
	wFile, err := w.File("")
	require.NoError(t, err)
	defer wFile.Close()
	rNumber, wNumber := r.Fd(), w.Fd()

	readers := map[string]end{
		"FD": func(p []byte) (int, error) { return r.ReadContext(background, p) },
		"FD, Readv": func(p []byte) (int, error) {
			return fd.WaitRead(background, r, func() (int, error) { return r.Readv([][]byte{p}) })
		},
		"os.File": rFile.Read,
		"x/sys": func(p []byte) (int, error) {
			for {
				if n, err := unix.Read(rNumber, p); err != unix.EAGAIN {
					return n, err
				}
			}
		},
	}
	writers := map[string]end{
		"FD":         w.Write,
		"FD, Writev": func(p []byte) (int, error) { return w.Writev([][]byte{p}) },
		"os.File":    wFile.Write,
		"x/sys":      func(p []byte) (int, error) { return unix.Write(wNumber, p) },
	}
	for from, write := range writers {
		for to, read := range readers {
			if !strings.HasPrefix(from, "FD") && !strings.HasPrefix(to, "FD") {
				continue // not ours
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				data := 0
				go func() {
					data = 42
					_, _ = write([]byte("x"))
				}()
				_, err := read(make([]byte, 1))
				require.NoError(t, err)
				assert.Equal(t, 42, data)
			})
		}
	}
}

// The same over a socket, with and without a descriptor, and through a file.
func TestHandOverBySendAndWriteAt(t *testing.T) {
	file := tempFile(t, 0)
	for name, pass := range map[string]struct {
		give, take func(a, b *net.UnixConn) error
	}{
		"Send": {
			func(a, _ *net.UnixConn) error { return fd.Send(a, []byte("x"), file) },
			func(_, b *net.UnixConn) error {
				_, fds, err := fd.Receive(b, make([]byte, 1), 1)
				for _, f := range fds {
					_ = f.Close()
				}
				return err
			},
		},
		"Send, data only": {
			func(a, _ *net.UnixConn) error { return fd.Send(a, []byte("x")) },
			func(_, b *net.UnixConn) error { return receiveByte(b) },
		},
		"WriteAt": {
			func(_, _ *net.UnixConn) error { return second(file.WriteAt([]byte("x"), 0)) },
			func(_, _ *net.UnixConn) error {
				for p := make([]byte, 1); p[0] == 0; {
					if _, err := file.ReadAt(p, 0); err != nil && err != io.EOF {
						return err
					}
				}
				return nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := connPair(t, unix.SOCK_STREAM)
			data := 0
			go func() {
				data = 42
				_ = pass.give(a, b)
			}()
			require.NoError(t, pass.take(a, b))
			assert.Equal(t, 42, data)
		})
	}
}

func receiveByte(c *net.UnixConn) error {
	_, _, err := fd.Receive(c, make([]byte, 1), 0)
	return err
}

// A race that is one is still found.
func TestRaceIsReported(t *testing.T) {
	out, err := systest.Child(t, "TestChildRaces").CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "DATA RACE")
}

func TestChildRaces(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	r, w := pipe(t, true)
	data := 0
	done := make(chan struct{})
	go func() {
		_, _ = w.Write([]byte("x"))
		data++ // after the write: the reader may not rely on it
		os.Getpid()
		close(done)
	}()
	_, _ = r.ReadContext(background, make([]byte, 1))
	data++
	<-done
	_ = fd.ErrClosed
}
