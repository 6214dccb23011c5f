package signalfd_test

import (
	"context"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/capture/capturetest"
	"code.hybscloud.com/iofd/signalfd"
)

// Batches of any size give every signal once, and nothing beyond.
func TestReadBatch(t *testing.T) {
	const sig, count = syscall.Signal(44), 200
	s := newFD(t, sig)
	from := startSender(t)
	untouched := signalfd.Info{Signal: -1}
	for _, size := range []int{1, 2, 31, 32, 33, 64, 100, count, 1000} {
		require.NoError(t, from.send("queue", os.Getpid(), sig, 0, count))
		infos := make([]signalfd.Info, size)
		seen := make(map[int]bool)
		for len(seen) < count {
			for i := range infos {
				infos[i] = untouched
			}
			n, err := fd.WaitRead(context.Background(), s.FD(), func() (int, error) { return s.ReadBatch(infos) })
			require.NoError(t, err)
			require.Positive(t, n)
			for i, info := range infos {
				if i >= n {
					require.Equal(t, untouched, info, "%d of %d", i, n)
					continue
				}
				require.Equal(t, signalfd.Info{
					Signal: sig, Code: signalfd.CodeQueue, PID: from.pid(), UID: os.Getuid(), Int: info.Int, Ptr: uint64(capturetest.Value(info.Int)),
				}, info)
				require.False(t, seen[info.Int], "%v twice", info)
				seen[info.Int] = true
			}
		}
		n, err := s.ReadBatch(infos)
		require.ErrorIs(t, err, fd.ErrWouldBlock)
		assert.Zero(t, n)
		for _, none := range [][]signalfd.Info{nil, {}} {
			n, err = s.ReadBatch(none)
			require.NoError(t, err)
			assert.Zero(t, n)
		}
	}
}

// One call returns all signals that are there, even if it takes several of the kernel's.
func TestReadBatchAll(t *testing.T) {
	const sig, count = syscall.Signal(44), 100
	s := newFD(t, sig)
	require.NoError(t, startSender(t).send("queue", os.Getpid(), sig, 0, count))
	for {
		ready, err := unix.IoctlGetUint32(s.Fd(), unix.TIOCINQ)
		require.NoError(t, err)
		if ready == count*128 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	infos := make([]signalfd.Info, count+1)
	n, err := s.ReadBatch(infos[:40])
	require.NoError(t, err)
	assert.Equal(t, 40, n)
	n, err = s.ReadBatch(infos[40:])
	require.NoError(t, err)
	assert.Equal(t, count-40, n)
}

// The kernel's own signalfd, of signals that only this thread has pending.
func TestReadBatchDirect(t *testing.T) {
	const sig = syscall.Signal(44)
	blockHere(t, unix.SIGUSR1, sig)
	s, err := signalfd.Open(signalfd.NewSet(unix.SIGUSR1, sig))
	require.NoError(t, err)
	defer s.Close()
	infos := make([]signalfd.Info, 40)
	for _, count := range []int{1, 31, 32, 39} {
		for range count {
			require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), sig))
		}
		require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGUSR1))
		n, err := s.ReadBatch(infos)
		require.NoError(t, err)
		require.Equal(t, count+1, n)
		assert.Equal(t, unix.SIGUSR1, infos[0].Signal, "the lowest number first")
		for _, info := range infos[1:n] {
			assert.Equal(t, signalfd.Info{Signal: sig, Code: signalfd.CodeTkill, PID: os.Getpid(), UID: os.Getuid()}, info)
		}
	}
	assert.Zero(t, s.Dropped())
	assert.Empty(t, s.Replaced())
}

// A read of a part of a record loses the rest.
func TestReadBatchShort(t *testing.T) {
	s := newFD(t, unix.SIGUSR1)
	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR1))
	_, err := s.FD().ReadContext(context.Background(), make([]byte, 28))
	require.NoError(t, err)
	n, err := s.ReadBatch(make([]signalfd.Info, 3))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Zero(t, n)
}

func TestReadBatchAllocatesNothing(t *testing.T) {
	if raceDetector {
		return
	}
	const sig = syscall.Signal(44)
	blockHere(t, sig)
	s, err := signalfd.Open(signalfd.NewSet(sig))
	require.NoError(t, err)
	defer s.Close()
	infos := make([]signalfd.Info, 64)
	pid, tid := os.Getpid(), unix.Gettid()
	assert.Zero(t, testing.AllocsPerRun(200, func() {
		for range 40 {
			if unix.Tgkill(pid, tid, sig) != nil {
				t.Fatal("tgkill")
			}
		}
		if n, err := s.ReadBatch(infos); n != 40 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := s.ReadBatch(infos); err != fd.ErrWouldBlock {
			t.Fatal(err)
		}
	}))
	runtime.KeepAlive(infos)
}
