package pidfd_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

// The links in /proc/PID/ns are the measure.
func TestNamespace(t *testing.T) {
	p := open(t, "exec sleep 100")
	for _, kind := range []pidfd.NamespaceKind{
		pidfd.CgroupNamespace, pidfd.IPCNamespace, pidfd.MountNamespace, pidfd.NetNamespace,
		pidfd.PIDNamespace, pidfd.PIDForChildrenNamespace, pidfd.TimeNamespace,
		pidfd.TimeForChildrenNamespace, pidfd.UserNamespace, pidfd.UTSNamespace,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			var want, got unix.Stat_t
			if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/%v", p.PID(), kind), &want); err != nil {
				t.Skip("a kernel without such namespaces: ", err)
			}
			f, err := p.Namespace(kind)
			systest.SkipUnsupported(t, err, 6, 11)
			defer f.Close()
			require.NoError(t, unix.Fstat(f.Fd(), &got))
			assert.Equal(t, want.Ino, got.Ino)
			assert.Equal(t, want.Dev, got.Dev)
			cloexec, err := f.Cloexec()
			assert.NoError(t, err)
			assert.True(t, cloexec)
		})
	}
}

func TestNamespaceRefuses(t *testing.T) {
	p := open(t, "exit 0")
	for _, kind := range []pidfd.NamespaceKind{0, 1, unix.PIDFD_GET_INFO, pidfd.NetNamespace + 100, ^pidfd.NamespaceKind(0)} {
		f, err := p.Namespace(kind)
		assert.Nil(t, f)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, kind.String())
	}
	require.NoError(t, p.Exited(soon(t)))
	_, err := p.Namespace(pidfd.NetNamespace)
	systest.SkipUnsupported(t, ended(err), 6, 11)
	wait(t, p)
	_, err = p.Namespace(pidfd.NetNamespace)
	assert.ErrorIs(t, err, os.ErrProcessDone)
}
