//go:build !race && !msan && !asan && (linux || darwin || freebsd)

package fd_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/fd"
)

func TestNoAllocations(t *testing.T) {
	r, w := pipe(t, true)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		var b [64]byte
		_, _ = w.Write(b[:])
		_, _ = r.Read(b[:])
		_, _ = r.Read(b[:])
	}))
}

// The iovecs and the caller's buffers do not escape, for few buffers and for many.
func TestVectorAllocations(t *testing.T) {
	r, w := pipe(t, true)
	for what, newFD := range map[string]func(int) *fd.FD{"New": fd.New, "NewNonblock": fd.NewNonblock} {
		fr, fw := newFD(r.Fd()), newFD(w.Fd())
		assert.Zero(t, testing.AllocsPerRun(1000, func() {
			var head, tail [64]byte
			_, _ = fw.Writev([][]byte{head[:], tail[:]})
			_, _ = fr.Readv([][]byte{head[:], tail[:]})
			_, _ = fr.Readv([][]byte{head[:], tail[:]})
		}), what)
		assert.Zero(t, testing.AllocsPerRun(1000, func() {
			var b [64]byte
			p := b[:]
			_, _ = fw.Writev([][]byte{p, p, p, p, p, p, p, p, p})
			_, _ = fr.Readv([][]byte{p, p, p, p, p, p, p, p, p})
		}), what)
	}
}

func TestWaitAllocations(t *testing.T) {
	testWaitAllocations(t, background)
}

// A loop under one context pays for it once.
func TestCancellableWaitAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	testWaitAllocations(t, ctx)
}

func testWaitAllocations(t *testing.T, ctx context.Context) {
	r, w := pipe(t, true)
	back, forth := pipe(t, true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1)
		for {
			if _, err := r.ReadContext(ctx, b); err != nil {
				return
			}
			_, _ = forth.Write(b)
		}
	}()
	b := make([]byte, 1)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_, _ = w.Write(b)
		_, _ = back.ReadContext(ctx, b)
	}))
	require.NoError(t, r.Close())
	<-done
}

func TestWithContextAllocations(t *testing.T) {
	r, w := pipe(t, true)
	reader, writer, b := r.WithContext(background), w.WithContext(background), make([]byte, 1)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_, _ = writer.Write(b)
		_, _ = reader.Read(b)
	}))
}
