//go:build amd64 || arm64 || riscv64 || loong64

package capture

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { systest.Main(m) }

const sig = syscall.Signal(50)

// Undo waits for the handlers that are on their way to the keeper, and counts
// what they lose, but not for ever.
func TestUndoWaits(t *testing.T) {
	e := &table[sig]
	before := Lost(sig)
	for name, test := range map[string]struct {
		ends time.Duration
		lost uint64
	}{
		"a handler":                 {20 * time.Millisecond, 1},
		"one that was killed in it": {300 * time.Millisecond, 0},
	} {
		r, err := Redirect(sig, unix.Gettid())
		require.NoError(t, err, name)
		_, err = Redirect(sig, unix.Gettid())
		require.ErrorIs(t, err, unix.EBUSY, name)
		assert.False(t, r.Stolen(), name)

		e.active.Add(1)
		ended := make(chan struct{})
		go func() {
			time.Sleep(test.ends)
			e.lost.Add(1)
			e.active.Add(-1)
			close(ended)
		}()
		r.Undo()
		if test.lost > 0 {
			assert.Zero(t, e.active.Load(), "%s still runs", name)
		}
		assert.Equal(t, test.lost, r.Lost(), name)
		<-ended
		e.lost.Add(5)
		assert.Equal(t, test.lost, r.Lost(), "of another time, not of %s", name)
		assert.False(t, r.Stolen(), name)
	}
	assert.Equal(t, before+12, Lost(sig))
}

// The code that a signal was sent with comes back from either disguise.
func TestCode(t *testing.T) {
	for _, code := range []int32{0, 1, 6, 0x80, siQueue, siTkill, -60, -0x1000} {
		for _, offset := range []int32{forwarded, returned} {
			original, changed := Code(code - offset)
			assert.Equal(t, code, original)
			assert.True(t, changed)
		}
		original, changed := Code(code)
		assert.Equal(t, code, original)
		assert.False(t, changed)
	}
}
