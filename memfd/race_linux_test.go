//go:build race

package memfd_test

import (
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/memfd"
)

// Data that goes through the file is not a race, if a MemFD writes or reads it. The other
// side may be an os.File or x/sys.
func TestHandOver(t *testing.T) {
	type at func(p []byte, off int64) (int, error)
	m := create(t)
	file, err := m.File("")
	require.NoError(t, err)
	defer file.Close()
	number := m.Fd()

	writers := map[string]at{
		"MemFD":   m.WriteAt,
		"os.File": file.WriteAt,
		"x/sys":   func(p []byte, off int64) (int, error) { return unix.Pwrite(number, p, off) },
	}
	readers := map[string]at{
		"MemFD":   m.ReadAt,
		"os.File": file.ReadAt,
		"x/sys":   func(p []byte, off int64) (int, error) { return unix.Pread(number, p, off) },
	}
	for from, write := range writers {
		for to, read := range readers {
			if from != "MemFD" && to != "MemFD" {
				continue // not ours
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				_, err := m.WriteAt([]byte{0}, 0)
				require.NoError(t, err)
				data := 0
				go func() {
					data = 42
					_, _ = write([]byte{1}, 0)
				}()
				for p := []byte{0}; p[0] == 0; runtime.Gosched() {
					_, err := read(p, 0)
					require.NoError(t, err)
				}
				assert.Equal(t, 42, data)
			})
		}
	}
}

// The accesses before SendTo happen before the return of ReceiveFrom.
func TestHandOverBySending(t *testing.T) {
	eachSocket(t, func(t *testing.T, _ string, a, b *net.UnixConn) {
		m := blob(t, "")
		data := 0
		go func() {
			data = 42
			_ = m.SendTo(a)
		}()
		r, err := memfd.ReceiveFrom(b, immutable)
		require.NoError(t, err)
		assert.Equal(t, 42, data)
		require.NoError(t, r.Close())
	})
}
