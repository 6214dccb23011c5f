package pidfd_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

func TestID(t *testing.T) {
	self, err := pidfd.Self()
	require.NoError(t, err)
	defer self.Close()
	mine, err := self.ID()
	systest.SkipUnsupported(t, err, 6, 9)
	var file unix.Stat_t
	require.NoError(t, unix.Fstat(self.Fd(), &file))
	assert.Equal(t, file.Ino, mine)

	child := open(t, "exit 0")
	first, err := child.ID()
	require.NoError(t, err)
	assert.NotEqual(t, mine, first)
	again, err := pidfd.Open(child.PID())
	require.NoError(t, err)
	defer again.Close()
	wait(t, child)
	for _, p := range []*pidfd.PidFD{child, again} {
		id, err := p.ID()
		assert.NoError(t, err)
		assert.Equal(t, first, id, "it has been reaped")
	}

	onThread(t, func(thread *pidfd.PidFD, _ int) {
		id, err := thread.ID()
		assert.NoError(t, err)
		assert.NotEqual(t, mine, id)
	})
	leader, err := pidfd.OpenThread(os.Getpid())
	systest.SkipUnsupported(t, err, 6, 9)
	defer leader.Close()
	id, err := leader.ID()
	assert.NoError(t, err)
	assert.Equal(t, mine, id, "the process, by its first thread")
}

func TestOnPidfs(t *testing.T) {
	dir, err := os.Open(".")
	require.NoError(t, err)
	defer dir.Close()
	assert.ErrorIs(t, pidfd.OnPidfs(int(dir.Fd())), errors.ErrUnsupported, "as pidfds once were not")
	assert.ErrorIs(t, pidfd.OnPidfs(-1), unix.EBADF)
}
