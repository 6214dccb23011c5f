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

// If seccomp(2) refuses the registration, as in some containers, every call counts
// its reference.
func TestMembarrierRefused(t *testing.T) {
	out, err := systest.Child(t, "TestChildMembarrierRefused").CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

func TestChildMembarrierRefused(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	registerProcess = func() bool { return false }
	g := counter(t)
	for range 200 {
		require.NoError(t, g.WriteUint64(1))
		_, err := g.ReadUint64()
		require.NoError(t, err)
	}
	assert.Nil(t, g.bias.Load())
	assert.False(t, registered.Load())
	_, owned, wrong := biasRounds(t, 200*time.Millisecond)
	assert.Zero(t, owned)
	assert.Zero(t, wrong)
}

// If seccomp(2) refuses membarrier(2) after the registration, ReadMemStats replaces it.
func TestMembarrierRefusedToCloser(t *testing.T) {
	withBias(t)
	var owned int
	systest.Refuse(t, func() {
		require.Equal(t, unix.EPERM, membarrier(membarrierExpedited))
		var wrong int64
		_, owned, wrong = biasRounds(t, 300*time.Millisecond)
		require.Zero(t, wrong)
	}, noMembarrier)
	assert.Positive(t, owned)
}
