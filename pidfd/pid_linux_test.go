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

// adopted returns the PidFD that FromFD makes of a duplicate of p.
func adopted(p *pidfd.PidFD) (*pidfd.PidFD, error) {
	f, err := p.FD().Dup()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return pidfd.FromFD(f)
}

// adoptedPID returns the PID that FromFD finds for a duplicate of p.
func adoptedPID(t *testing.T, p *pidfd.PidFD) (int, error) {
	t.Helper()
	got, err := adopted(p)
	if err != nil {
		return 0, err
	}
	defer got.Close()
	return got.PID(), nil
}

func ioctlFails(errno unix.Errno) systest.Refusal {
	return systest.Refusal{Call: unix.SYS_IOCTL, Errno: errno, Arg: 2, Value: unix.PIDFD_GET_INFO}
}

// Kernels answer PIDFD_GET_INFO in different ways.
func TestFromFDPIDByKernel(t *testing.T) {
	self, err := pidfd.Self()
	require.NoError(t, err)
	defer self.Close()
	reaped := open(t, "exit 0")
	wait(t, reaped)
	for _, c := range []struct {
		kernel string
		errno  unix.Errno
		p      *pidfd.PidFD
		want   int
	}{
		{"before 6.11", unix.ENOTTY, self, os.Getpid()},
		{"before 6.13", unix.EINVAL, self, os.Getpid()},
		{"out of sight", unix.ESRCH, self, 0},
		{"out of sight, newer", unix.EREMOTE, self, 0},
		{"before 6.11, reaped", unix.ENOTTY, reaped, -1},
	} {
		systest.Refuse(t, func() {
			pid, err := adoptedPID(t, c.p)
			assert.NoError(t, err, c.kernel)
			assert.Equal(t, c.want, pid, c.kernel)
		}, ioctlFails(c.errno))
	}
	pid, err := adoptedPID(t, reaped)
	assert.NoError(t, err)
	assert.Equal(t, -1, pid)
}

// Before Linux 6.13, a /proc of another PID namespace does not report the PID.
func TestFromFDPIDUnknown(t *testing.T) {
	systest.InMountNamespace(t, "TestChildFromFDPIDUnknown", unix.CLONE_NEWPID)
}

func TestChildFromFDPIDUnknown(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	self, err := pidfd.Self()
	require.NoError(t, err)
	defer self.Close()
	systest.Refuse(t, func() {
		pid, err := adoptedPID(t, self)
		assert.NoError(t, err)
		assert.Equal(t, 0, pid)
		info, err := self.Info()
		assert.NoError(t, err)
		assert.Equal(t, pidfd.Info{PID: 0, TGID: -1, PPID: -1}, info)
	}, ioctlFails(unix.ENOTTY))
}

// Before Linux 6.13, a forged fdinfo does not make a process that of PID 1.
func TestFromFDPIDForged(t *testing.T) {
	systest.InMountNamespace(t, "TestChildFromFDPIDForged", 0)
}

func TestChildFromFDPIDForged(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	self, err := pidfd.Self()
	require.NoError(t, err)
	f, err := self.FD().Dup()
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, self.Close())
	forged := systest.ForgeProc(t)
	forged.Descriptor(t, f.Fd(), "anon_inode:[pidfd]", "Pid:\t1\nNSpid:\t1\n")
	systest.Mount(t, string(forged), "/proc", "", unix.MS_BIND)
	systest.Refuse(t, func() {
		_, err := pidfd.FromFD(f)
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorContains(t, err, "/proc is not mounted")
	}, ioctlFails(unix.ENOTTY))
	assert.True(t, f.Valid())
}

// An ID that neither the ioctl nor /proc reports is an error, and not a guess.
func TestFromFDPIDRefused(t *testing.T) {
	self, err := pidfd.Self()
	require.NoError(t, err)
	defer self.Close()
	systest.Refuse(t, func() {
		_, err := adoptedPID(t, self)
		assert.ErrorIs(t, err, unix.EPERM)
		assert.ErrorContains(t, err, "ioctl")
	}, ioctlFails(unix.EPERM))
	systest.Refuse(t, func() {
		_, err := adoptedPID(t, self)
		assert.ErrorIs(t, err, unix.EPERM)
		assert.ErrorContains(t, err, "openat2")
	}, ioctlFails(unix.ENOTTY), systest.Refusal{Call: unix.SYS_OPENAT2, Errno: unix.EPERM})
	_, err = adoptedPID(t, self)
	assert.NoError(t, err)
}

// A kernel without a feature is told apart from a wrong argument.
func TestOldKernelIsUnsupported(t *testing.T) {
	self, err := pidfd.Self()
	require.NoError(t, err)
	defer self.Close()
	systest.Refuse(t, func() {
		_, err := pidfd.OpenThread(unix.Gettid())
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorIs(t, err, unix.EINVAL)
	}, systest.Refusal{Call: unix.SYS_PIDFD_OPEN, Errno: unix.EINVAL})
	systest.Refuse(t, func() {
		_, err := adoptedPID(t, self)
		assert.ErrorIs(t, err, unix.EPERM)
	}, systest.Refusal{Call: unix.SYS_WAITID, Errno: unix.EPERM})
}
