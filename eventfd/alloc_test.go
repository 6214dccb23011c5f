//go:build linux && !race

package eventfd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNoAllocations(t *testing.T) {
	e := counter(t, 0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = e.Signal(1)
		_, _ = e.Wait()
		_, _ = e.Wait()
		_ = e.Notify()
		_, _ = e.WaitContext(background)
	}))
}

func TestWakerAllocatesNothing(t *testing.T) {
	w := waker(t)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = w.Wake()
		_ = w.Wake()
		_ = w.Drain()
	}))
}

// BenchmarkWakeWoken is a Wake that finds the loop woken.
func BenchmarkWakeWoken(b *testing.B) {
	w := waker(b)
	b.ReportAllocs()
	for b.Loop() {
		_ = w.Wake()
	}
}

func BenchmarkSignalWait(b *testing.B) {
	e := counter(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		_ = e.Signal(1)
		_, _ = e.Wait()
	}
}
