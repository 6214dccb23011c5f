//go:build linux

package eventfd_test

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// A model behaves as eventfd(2) describes a counter.
type model struct {
	value     uint64
	semaphore bool
}

func (m *model) signal(n uint64) error {
	switch {
	case n == math.MaxUint64:
		return unix.EINVAL
	case n > full-m.value:
		return fd.ErrWouldBlock
	}
	m.value += n
	return nil
}

func (m *model) wait() (uint64, error) {
	if m.value == 0 {
		return 0, fd.ErrWouldBlock
	}
	taken := m.value
	if m.semaphore {
		taken = 1
	}
	m.value -= taken
	return taken, nil
}

// cancelled returns the error of a call with a canceled context instead of err.
func cancelled(err error) error {
	if err == fd.ErrWouldBlock {
		return context.Canceled
	}
	return err
}

// A script returns the bytes of the fuzzer as arguments, and zeros past its end.
type script []byte

func (s *script) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

var edges = []uint64{0, 1, 2, math.MaxUint32, 1 << 32, 1 << 63, full - 1, full, math.MaxUint64}

// value returns a limit of a range, or a value of the fuzzer.
func (s *script) value() uint64 {
	if b := int(s.byte()); b < 200 {
		return edges[b%len(edges)]
	}
	var p [8]byte
	for i := range p {
		p[i] = s.byte()
	}
	return binary.NativeEndian.Uint64(p[:])
}

// FuzzModel compares a sequence of calls with the model.
func FuzzModel(f *testing.F) {
	for _, semaphore := range []bool{false, true} {
		f.Add(semaphore, uint64(0), []byte{0, 1, 0, 7, 2, 2})
		f.Add(semaphore, uint64(full), []byte{0, 1, 1, 3, 1, 8, 0, 7, 2, 3, 1, 2, 4, 4, 7})
		f.Add(semaphore, uint64(1<<32+5), []byte{6, 8, 1, 5, 8, 8, 5, 7, 6, 3, 9, 2, 6, 8, 8})
		f.Add(semaphore, uint64(math.MaxUint64), []byte{})
	}
	f.Fuzz(func(t *testing.T, semaphore bool, initval uint64, ops []byte) {
		create := eventfd.New
		if semaphore {
			create = eventfd.NewSemaphore
		}
		m := &model{semaphore: semaphore}
		e, err := create(initval)
		require.ErrorIs(t, err, m.signal(initval))
		if err != nil {
			return
		}
		defer e.Close()
		other, err := e.Dup()
		require.NoError(t, err)
		defer other.Close()
		id, err := e.ID()
		require.NoError(t, err)
		ended := endedContext()

		s := script(ops[:min(len(ops), 256)])
		for len(s) > 0 {
			switch op := s.byte() % 10; op {
			case 0:
				n := s.value()
				require.ErrorIs(t, e.Signal(n), m.signal(n))
			case 1:
				_ = m.signal(1)
				require.NoError(t, e.Notify())
			case 2:
				want, wantErr := m.wait()
				v, err := e.Wait()
				require.ErrorIs(t, err, wantErr)
				require.Equal(t, want, v)
			case 3:
				n := s.value()
				require.ErrorIs(t, e.SignalContext(ended, n), cancelled(m.signal(n)))
			case 4:
				want, wantErr := m.wait()
				v, err := e.WaitContext(ended)
				require.ErrorIs(t, err, cancelled(wantErr))
				require.Equal(t, want, v)
			case 5:
				p := make([]byte, s.byte()%12)
				n, err := e.Read(p)
				if len(p) < 8 {
					require.ErrorIs(t, err, unix.EINVAL)
					break
				}
				want, wantErr := m.wait()
				require.ErrorIs(t, err, wantErr)
				require.Equal(t, want, binary.NativeEndian.Uint64(p))
				require.Equal(t, err == nil, n == 8)
			case 6:
				p := make([]byte, s.byte()%12)
				if len(p) == 8 {
					binary.NativeEndian.PutUint64(p, s.value())
				}
				n, err := e.Write(p)
				want := error(unix.EINVAL)
				if len(p) == 8 {
					want = m.signal(binary.NativeEndian.Uint64(p))
				}
				require.ErrorIs(t, err, want)
				require.Equal(t, err == nil, n == 8)
			case 7:
				is, err := e.Semaphore()
				require.NoError(t, err)
				require.Equal(t, semaphore, is)
			case 8:
				same, err := e.ID()
				require.NoError(t, err)
				require.Equal(t, id, same)
			case 9:
				e, other = other, e
			}
			v, err := other.Value()
			require.NoError(t, err)
			require.Equal(t, m.value, v)
		}
	})
}
