//go:build !race && (amd64 || arm64 || riscv64 || loong64)

package sys

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

var noMembarrier = systest.Refusal{Call: unix.SYS_MEMBARRIER, Errno: unix.EPERM}

// Where seccomp(2) refuses to register for membarrier(2), as in some containers,
// there is the shared lane alone.
func TestMembarrierRefused(t *testing.T) {
	out, err := systest.Child(t, "TestChildMembarrierRefused").CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

func TestChildMembarrierRefused(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	systest.Refuse(t, func() {
		g := counter(t)
		for range 200 {
			require.NoError(t, g.WriteUint64(1))
			_, err := g.ReadUint64()
			require.NoError(t, err)
		}
		assert.Nil(t, g.lane.Load())
	}, noMembarrier)
	assert.False(t, HasLanes(), "once and for all")
	_, owned, strays := laneRounds(t, 200*time.Millisecond)
	assert.Zero(t, owned)
	assert.Zero(t, strays)
}

// Where it is refused after that, those who turn owners out stop them by other
// means.
func TestMembarrierRefusedToCloser(t *testing.T) {
	withLanes(t)
	var owned int
	systest.Refuse(t, func() {
		require.Equal(t, unix.EPERM, membarrier(membarrierExpedited))
		var strays int64
		_, owned, strays = laneRounds(t, 300*time.Millisecond)
		require.Zero(t, strays)
	}, noMembarrier)
	assert.Positive(t, owned)
}
