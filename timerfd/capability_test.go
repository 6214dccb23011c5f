//go:build linux

package timerfd_test

import (
	"errors"
	"io/fs"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/timerfd"
)

// capabilities returns the capabilities of the calling thread as two 32-bit words.
func capabilities(t testing.TB) (header unix.CapUserHeader, data [2]unix.CapUserData) {
	header.Version = unix.LINUX_CAPABILITY_VERSION_3
	require.NoError(t, unix.Capget(&header, &data[0]))
	return header, data
}

// without runs a function that lacks a capability.
func without(t testing.TB, capability int, run func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header, before := capabilities(t)
	after := before
	after[capability/32].Effective &^= 1 << (capability % 32)
	require.NoError(t, unix.Capset(&header, &after[0]))
	defer func() { require.NoError(t, unix.Capset(&header, &before[0])) }()
	run()
}

// New, Arm and Disarm require CAP_WAKE_ALARM on the alarm clocks.
func TestAlarmClocksTakeCapability(t *testing.T) {
	for _, clock := range []timerfd.Clock{timerfd.RealtimeAlarm, timerfd.BoottimeAlarm} {
		if tm, err := timerfd.New(clock); !errors.Is(err, fs.ErrPermission) {
			require.NoError(t, err)
			defer tm.Close()
			require.NoError(t, tm.Arm(far, 0))
			without(t, unix.CAP_WAKE_ALARM, func() {
				assert.ErrorIs(t, tm.Arm(1, 0), fs.ErrPermission)
				assert.ErrorIs(t, tm.ArmAt(time.Now(), 0), fs.ErrPermission)
				assert.ErrorIs(t, tm.Disarm(), fs.ErrPermission)
				_, _, err := tm.Swap(1, 0)
				assert.ErrorIs(t, err, fs.ErrPermission)
				if wall(clock) {
					assert.ErrorIs(t, tm.WaitUntil(background, time.Time{}), fs.ErrPermission)
					assert.ErrorIs(t, tm.WaitUntil(background, time.Now().Add(far)), fs.ErrPermission)
				}
			})
			remaining, _, err := tm.Remaining()
			require.NoError(t, err)
			assert.Greater(t, remaining, far-time.Minute, "armed as it was")
		}
		without(t, unix.CAP_WAKE_ALARM, func() {
			_, err := timerfd.New(clock)
			assert.ErrorIs(t, err, fs.ErrPermission)
			assert.ErrorContains(t, err, "timerfd_create")
		})
	}
}

// Another user can read an inherited alarm timer and cannot arm it.
func TestAlarmOfAnotherUser(t *testing.T) {
	needClock(t, timerfd.BoottimeAlarm)
	systest.NeedUser(t, 65534, 65534)
	tm := timer(t, timerfd.BoottimeAlarm)
	require.NoError(t, tm.Arm(0, 0))
	f, err := tm.File("alarm")
	require.NoError(t, err)
	defer f.Close()
	cmd := systest.Child(t, "TestChildWithoutPrivilege")
	cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "PASS: TestChildWithoutPrivilege")
	notYet(t, tm)
}

func TestChildWithoutPrivilege(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	// SysProcAttr.Credential is of no use here: the user cannot execute the test
	// binary, which is in a directory of root.
	require.NoError(t, unix.Setresuid(65534, 65534, 65534))
	// Up to Linux 5.13, a process that is not dumpable cannot read its own
	// descriptors in /proc.
	require.NoError(t, unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0))
	tm, err := timerfd.FromFD(fd.New(3))
	require.NoError(t, err)
	assert.Equal(t, timerfd.BoottimeAlarm, tm.Clock())
	assert.Equal(t, uint64(1), expires(t, tm))
	assert.ErrorIs(t, tm.Arm(1, 0), fs.ErrPermission)
	require.NoError(t, tm.Close())
	for _, clock := range clocks {
		tm, err := timerfd.New(clock)
		if alarm(clock) {
			assert.ErrorIs(t, err, fs.ErrPermission)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, tm.Close())
	}
}
