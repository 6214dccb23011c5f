package timerfd_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/timerfd"
)

// stepClockBy sets the wall clock ahead or back. Without the privilege it skips the
// test.
func stepClockBy(t *testing.T, step time.Duration) {
	t.Helper()
	offset := unix.NsecToTimeval(int64(step))
	tx := unix.Timex{Modes: unix.ADJ_SETOFFSET, Time: offset}
	_, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx)
	if err == unix.EPERM {
		t.Skip("setting the clock takes CAP_SYS_TIME, and a sandbox that allows it")
	}
	require.NoError(t, err)
}

// timersInMode are the ways to come to a timer in one mode.
func timersInMode(t *testing.T, clock timerfd.Clock, nonblock bool) map[string]*timerfd.TimerFD {
	own, kept, given := timer(t, clock), timer(t, clock), timer(t, clock)
	dup, err := kept.Dup()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, dup.Close()) })
	f, err := given.FD().Dup()
	require.NoError(t, err)
	from, err := timerfd.FromFD(f)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, from.Close()) })
	timers := map[string]*timerfd.TimerFD{"own": own, "kept": kept, "duplicate": dup, "inherited": from}
	for _, tm := range timers {
		require.NoError(t, tm.FD().SetNonblock(nonblock))
	}
	return timers
}

// wouldBlock checks that each of the ways to read has nothing to report.
func wouldBlock(t *testing.T, tm *timerfd.TimerFD, what string) {
	t.Helper()
	n, err := tm.Read()
	assert.Equal(t, fd.ErrWouldBlock, err, what)
	assert.Zero(t, n, what)
	ctx, cancel := context.WithCancel(background)
	cancel()
	n, err = tm.ReadContext(ctx)
	assert.Equal(t, context.Canceled, err, what)
	assert.Zero(t, n, what)
}

// A timer with an interval expires, and the clock is set back before that moment: in
// blocking mode, read(2) then returns 0 bytes.
func TestReadAfterClockWasSetBack(t *testing.T) {
	for what, read := range map[string]func(tm *timerfd.TimerFD) (uint64, error){
		"Read": (*timerfd.TimerFD).Read,
		"ReadContext": func(tm *timerfd.TimerFD) (uint64, error) {
			ctx, cancel := context.WithCancel(background)
			cancel()
			return tm.ReadContext(ctx)
		},
	} {
		for mode, nonblock := range map[string]bool{"non-blocking": true, "blocking": false} {
			t.Run(what+"/"+mode, func(t *testing.T) {
				stepClock(t)
				for origin, tm := range timersInMode(t, timerfd.Realtime, nonblock) {
					due := time.Now().Add(time.Millisecond).Round(0)
					require.NoError(t, tm.ArmAt(due, time.Hour))
					fds := []unix.PollFd{{Fd: tm.Raw(), Events: unix.POLLIN}}
					for fds[0].Revents == 0 {
						if _, err := unix.Poll(fds, -1); err != unix.EINTR {
							require.NoError(t, err)
						}
					}
					back := time.Now().Round(0).Sub(due) + 200*time.Millisecond
					stepClockBy(t, -back)
					n, err := read(tm)
					early := time.Now().Round(0).Before(due)
					stepClockBy(t, back)
					if !early {
						t.Skip("the machine is too slow, or something else sets its clock")
					}
					if errors.Is(err, unix.EINVAL) && systest.Emulated() {
						t.Skip("the emulator does not return 0 bytes")
					}
					want := fd.ErrWouldBlock
					if what == "ReadContext" {
						want = context.Canceled
					}
					assert.Equal(t, want, err, origin)
					assert.Zero(t, n, origin)
					ctx, cancel := context.WithTimeout(background, 20*time.Second)
					require.NoError(t, tm.Arm(time.Millisecond, 0))
					n, err = tm.ReadContext(ctx)
					cancel()
					assert.NoError(t, err, origin)
					assert.Equal(t, uint64(1), n, origin)
				}
			})
		}
	}
}

// The same on a machine whose clock the test may not set: seccomp(2) has the read
// return 0.
func TestReadOfNothing(t *testing.T) {
	for mode, nonblock := range map[string]bool{"non-blocking": true, "blocking": false} {
		t.Run(mode, func(t *testing.T) {
			for origin, tm := range timersInMode(t, timerfd.Monotonic, nonblock) {
				require.NoError(t, tm.Arm(0, 0))
				// poll(2) says that there is something to read.
				fds := []unix.PollFd{{Fd: tm.Raw(), Events: unix.POLLIN}}
				for fds[0].Revents == 0 {
					if _, err := unix.Poll(fds, -1); err != unix.EINTR {
						require.NoError(t, err)
					}
				}
				number := uint32(tm.Fd())
				systest.Refuse(t, func() { wouldBlock(t, tm, origin) },
					systest.Refusal{Call: unix.SYS_READ, Errno: 0, Arg: 1, Value: number},
					systest.Refusal{Call: unix.SYS_PREADV2, Errno: 0, Arg: 1, Value: number})
				assert.Equal(t, uint64(1), expires(t, tm), origin)
			}
		})
	}
}
