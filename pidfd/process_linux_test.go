package pidfd_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

func TestSendSignal(t *testing.T) {
	p := open(t, "exec sleep 100")
	require.NoError(t, p.SendSignal(0))
	require.NoError(t, p.SendSignal(unix.SIGTERM))
	require.NoError(t, p.Exited(soon(t)))
	assert.NoError(t, p.SendSignal(0), "it has not been reaped")
	assert.NoError(t, p.SendSignal(unix.SIGKILL), "it has not been reaped")

	assert.Equal(t, unix.SIGTERM, wait(t, p).Signal)
	for _, sig := range []syscall.Signal{0, unix.SIGKILL} {
		err := p.SendSignal(sig)
		assert.ErrorIs(t, err, os.ErrProcessDone)
		assert.ErrorIs(t, err, unix.ESRCH)
		var call *os.SyscallError
		require.ErrorAs(t, err, &call)
		assert.Equal(t, "pidfd_send_signal", call.Syscall)
	}
}

func TestSendSignalRefuses(t *testing.T) {
	p := open(t, "exec sleep 100")
	signals := []int{-1, 65, 1 << 20}
	if strconv.IntSize == 64 {
		one := 1
		signals = append(signals, one<<32+int(unix.SIGKILL)) // cut to 32 bits, it would kill
	}
	for _, sig := range signals {
		err := p.SendSignal(syscall.Signal(sig))
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, fmt.Sprint("signal ", sig))
	}
	alive, err := p.Alive()
	assert.NoError(t, err)
	assert.True(t, alive)
}

func TestSendSignalDoesNotAllocate(t *testing.T) {
	p, err := pidfd.Self()
	require.NoError(t, err)
	defer p.Close()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if err := p.SendSignal(0); err != nil {
			t.Error(err)
		}
	}))
}

// writer has a pipe with a greeting in it, and says its number.
func writer() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	_, _ = w.WriteString("from the child")
	ready(r.Fd())
}

func TestGetFD(t *testing.T) {
	var p *pidfd.PidFD
	child := act(t, func(cmd *exec.Cmd) (err error) {
		p, err = pidfd.Start(cmd)
		return err
	}, "writer")
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
