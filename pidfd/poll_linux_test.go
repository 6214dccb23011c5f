package pidfd_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

// If poll(2) fails, no method reports that a running process has ended.
func TestPollRefused(t *testing.T) {
	p := open(t, "exec sleep 100")
	var reaped error
	systest.Refuse(t, func() {
		alive, err := p.Alive()
		assert.ErrorIs(t, err, unix.ENOMEM)
		assert.False(t, alive, "not known")
		assert.ErrorIs(t, p.Exited(context.Background()), unix.ENOMEM)
		reaped = p.Reaped(context.Background())
	}, systest.Refusal{Call: unix.SYS_PPOLL, Errno: unix.ENOMEM})
	alive, err := p.Alive()
	assert.NoError(t, err)
	assert.True(t, alive)
	if errors.Is(reaped, errors.ErrUnsupported) {
		systest.SkipUnsupported(t, reaped, 6, 9)
	}
	assert.ErrorIs(t, reaped, unix.ENOMEM)
}
