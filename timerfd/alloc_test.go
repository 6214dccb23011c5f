//go:build linux && !race

package timerfd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"code.hybscloud.com/iofd/timerfd"
)

func TestNoAllocations(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = tm.Arm(far, far)
		_, _ = tm.Read()
		_, _, _ = tm.Remaining()
		_ = tm.Arm(0, 0)
		_, _ = tm.ReadContext(background)
	}))
}

func BenchmarkArm(b *testing.B) {
	tm := timer(b, timerfd.Monotonic)
	b.ReportAllocs()
	for b.Loop() {
		_ = tm.Arm(far, 0)
	}
}
