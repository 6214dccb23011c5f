package memfd_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
)

const (
	historySize = 3 << 12
	historyGens = 8 // of what a byte was over time
)

// historyByte is the byte that a writer puts at off of file number file. At each offset
// every file has its own bytes.
func historyByte(file, off, gen int) byte {
	return byte(off)*historyGens*4 + byte(file%4)*historyGens + byte(gen)
}

// written reports whether p at off of the file has only bytes that a writer put there, and
// zeros. Zeros are of holes, and of parts that were cut off.
func written(file, off int, p []byte) bool {
	for i, b := range p {
		gen := b - historyByte(file, off+i, 0)
		if b != 0 && gen >= historyGens {
			return false
		}
	}
	return true
}

// Goroutines call all methods at random, and close files and replace them by new ones under
// the same numbers. A Read returns only bytes that were written to the same file. Every
// error is one that the history allows.
func TestHistory(t *testing.T) {
	const files, goroutines = 4, 8
	steps := 3000
	if testing.Short() {
		steps = 500
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var slots [files]atomic.Pointer[memfd.MemFD]
	replace := func(file int) {
		m, err := memfd.New("history", memfd.AllowSealing)
		if !assert.NoError(t, err) {
			return
		}
		if old := slots[file].Swap(m); old != nil {
			assert.NoError(t, old.Close())
		}
	}
	for file := range slots {
		replace(file)
	}
	a, b := socketPair(t, unix.SOCK_SEQPACKET)
	allowed := func(err error, more ...error) {
		if err == nil || err == fd.ErrClosed {
			return
		}
		for _, one := range more {
			if errors.Is(err, one) {
				return
			}
		}
		assert.NoError(t, err, "not in this history")
	}
	// Once a goroutine has sealed the file, Write and Truncate fail.
	writing := []error{unix.EPERM}

	var group sync.WaitGroup
	for g := range goroutines {
		random := rand.New(rand.NewPCG(seed, uint64(g)))
		text := func(file, off int) []byte {
			p, gen := make([]byte, random.IntN(600)), random.IntN(historyGens)
			for i := range p {
				p[i] = historyByte(file, off+i, gen)
			}
			return p
		}
		group.Go(func() {
			for range steps {
				file := random.IntN(files)
				m := slots[file].Load()
				off := random.IntN(historySize)
				p := text(file, off)
				switch random.IntN(16) {
				case 0, 1, 2:
					n, err := m.WriteAt(p, int64(off))
					allowed(err, writing...)
					assert.True(t, err != nil || n == len(p))
				case 3, 4, 5:
					n, err := m.ReadAt(p, int64(off))
					allowed(err, io.EOF)
					assert.True(t, err != nil || n == len(p))
					assert.True(t, written(file, off, p[:n]), "bytes of another file")
				case 6:
					// At whatever offset: only zeros fit everywhere.
					_, err := m.Write(make([]byte, len(p)))
					allowed(err, writing...)
				case 7:
					_, err := m.Read(p)
					allowed(err, io.EOF)
				case 8:
					_, err := m.Seek(int64(off), io.SeekStart)
					allowed(err)
				case 9:
					allowed(m.Truncate(int64(off)), writing...)
				case 10:
					allowed(m.PunchHole(int64(off), 1+int64(len(p))), writing...)
				case 11:
					if random.IntN(20) == 0 {
						allowed(m.Seal(memfd.Seal(1<<random.IntN(5))), unix.EPERM, unix.EBUSY)
					}
					_, err := m.Immutable()
					allowed(err)
				case 12:
					// No access: another goroutine may truncate the file.
					mapping, err := m.Map(0, 1+len(p), memfd.Prot(random.IntN(3)))
					allowed(err, unix.EPERM, unix.EINVAL)
					if err == nil {
						assert.NoError(t, mapping.Close())
					}
				case 13:
					d, err := m.Dup()
					allowed(err)
					if err == nil {
						n, err := d.ReadAt(p, int64(off))
						assert.True(t, err == nil || err == io.EOF, err)
						assert.True(t, written(file, off, p[:n]), "bytes of another file")
						assert.NoError(t, d.Close())
					}
				case 14:
					// Each sender also receives one file, so no goroutine waits for ever.
					if err := m.SendTo(a); err != nil {
						assert.Equal(t, fd.ErrClosed, err)
						continue
					}
					r, err := memfd.ReceiveFrom(b, 0)
					if assert.NoError(t, err) {
						assert.Equal(t, "history", r.Name())
						assert.NoError(t, r.Close())
					}
				case 15:
					if random.IntN(4) == 0 {
						replace(file)
					} else if f, err := m.ReopenReadOnly(); err == nil {
						assert.NoError(t, f.Close())
					} else {
						assert.Equal(t, fd.ErrClosed, err)
					}
				}
			}
		})
	}
	group.Wait()
	for file := range slots {
		require.NoError(t, slots[file].Load().Close())
	}
}
