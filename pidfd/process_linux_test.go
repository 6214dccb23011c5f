package pidfd_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

// writer has a pipe with a greeting in it, and reports its number.
func writer() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	_, _ = w.WriteString("from the child")
	ready(r.Fd())
}

func TestGetFD(t *testing.T) {
	systest.NeedCall(t, "pidfd_getfd(2)", unix.SYS_PIDFD_GETFD)
	var p *pidfd.PidFD
	child := act(t, startInto(&p), "writer")
	defer p.Close()
	target, err := strconv.Atoi(child.line)
	require.NoError(t, err)

	f, err := p.GetFD(target)
	systest.SkipUnsupported(t, err, 5, 6)
	defer f.Close()
	cloexec, err := f.Cloexec()
	assert.NoError(t, err)
	assert.True(t, cloexec)
	b := make([]byte, 100)
	n, err := f.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "from the child", string(b[:n]))

	_, err = p.GetFD(-1)
	assert.ErrorIs(t, err, unix.EINVAL)
	assert.ErrorContains(t, err, "-1")
	_, err = p.GetFD(1 << 20)
	assert.ErrorIs(t, err, unix.EBADF)

	require.NoError(t, child.dismiss())
	wait(t, p)
	require.NoError(t, child.cmd.Wait())
	_, err = p.GetFD(target)
	assert.ErrorIs(t, err, os.ErrProcessDone)
	assert.ErrorIs(t, err, unix.ESRCH)
}
