//go:build linux

package timerfd_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

// endedContext returns a canceled context.
func endedContext() context.Context {
	ctx, cancel := context.WithCancel(background)
	cancel()
	return ctx
}

func TestNewWithInvalidClock(t *testing.T) {
	for _, clock := range []int64{math.MinInt32, -1, 2, 3, 4, 5, 6, 10, 11, math.MaxInt32, 1<<40 + 12} {
		if int64(int(clock)) != clock {
			continue
		}
		_, err := timerfd.New(timerfd.Clock(clock))
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, "timerfd: New: invalid clock "+timerfd.Clock(clock).String())
	}
}

// An argument error names the value, and leaves the timer as it was.
func TestArgumentErrorsNameValue(t *testing.T) {
	onEachClock(t, func(t *testing.T, clock timerfd.Clock) {
		tm := timer(t, clock)
		now := time.Now()
		_, nilContext := tm.ReadContext(noContext)
		errs := map[string]error{
			"timerfd: Arm: negative delay -1ns":                          tm.Arm(-1, 0),
			"timerfd: Arm: negative delay -2562047h47m16.854775808s":     tm.Arm(math.MinInt64, math.MinInt64),
			"timerfd: Arm: negative interval -1ns":                       tm.Arm(0, -1),
			"timerfd: ArmAt: negative interval -1s":                      tm.ArmAt(now, -time.Second),
			"timerfd: ArmAt: negative interval -2562047h47m16.854775808": tm.ArmAt(now.Add(far), math.MinInt64),
			"timerfd: ArmAt: unknown option 0x6":                         tm.ArmAt(now, 0, 7),
			"timerfd: ArmAt: unknown option 0x2":                         tm.ArmAt(now, 0, 0, 2),
			"timerfd: ArmAt: unknown option 0xfffffffffffffffe":          tm.ArmAt(now, 0, ^timerfd.AtOption(0), timerfd.CancelOnSet),
			"context": nilContext,
		}
		if !wall(clock) {
			errs["timerfd: ArmAt: CancelOnSet is invalid on clock "+clock.String()] = tm.ArmAt(now, 0, timerfd.CancelOnSet)
		}
		assert.NoError(t, tm.ArmAt(now.Add(far), 0, 0), "the option 0 changes nothing")
		for why, err := range errs {
			assert.ErrorIs(t, err, unix.EINVAL, why)
			assert.ErrorContains(t, err, why)
		}
		notYet(t, tm)
	})

	tm := timer(t, timerfd.Monotonic)
	require.NoError(t, tm.Arm(far, time.Hour))
	for _, err := range []error{
		tm.Arm(-1, 0), tm.Arm(0, -1), tm.ArmAt(time.Now(), -1), tm.ArmAt(time.Now(), 0, 2),
		tm.ArmAt(time.Now(), 0, timerfd.CancelOnSet),
	} {
		assert.ErrorIs(t, err, unix.EINVAL)
	}
	remaining, interval, err := tm.Remaining()
	require.NoError(t, err)
	assert.InDelta(t, far, remaining, float64(time.Minute), "still armed")
	assert.Equal(t, time.Hour, interval)
}

func TestReadContextWithEndedContext(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	for range 2 {
		_, err := tm.ReadContext(endedContext())
		assert.Equal(t, context.Canceled, err)
	}
	late, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	_, err := tm.ReadContext(late)
	assert.Equal(t, context.DeadlineExceeded, err)
	_, err = tm.ReadContext(late)
	assert.Equal(t, context.DeadlineExceeded, err)

	// ReadContext returns expirations even if ctx has ended.
	require.NoError(t, tm.Arm(0, 0))
	ready := []unix.PollFd{{Fd: tm.Raw(), Events: unix.POLLIN}}
	for n := 0; n != 1; {
		if n, err = unix.Poll(ready, -1); err != unix.EINTR {
			require.NoError(t, err)
		}
	}
	n, err := tm.ReadContext(late)
	require.NoError(t, err)
	assert.Equal(t, uint64(1), n)
}

// FromFD returns an error that names the object, and f keeps its descriptor and flags.
func TestFromFDOfOtherKind(t *testing.T) {
	for object, open := range map[string]func() (int, error){
		"pipe:": func() (int, error) {
			var p [2]int
			err := unix.Pipe2(p[:], 0)
			require.NoError(t, unix.Close(p[1]))
			return p[0], err
		},
		"socket:":     func() (int, error) { return unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0) },
		"[eventfd]":   func() (int, error) { return unix.Eventfd(0, 0) },
		"[eventpoll]": func() (int, error) { return unix.EpollCreate1(0) },
		"memfd":       func() (int, error) { return unix.MemfdCreate("anon_inode:[timerfd]", 0) },
		"/dev/null":   func() (int, error) { return unix.Open("/dev/null", unix.O_RDWR, 0) },
		"/anon_inode:[timerfd]": func() (int, error) {
			return unix.Open(t.TempDir()+"/anon_inode:[timerfd]", unix.O_RDWR|unix.O_CREAT, 0o600)
		},
	} {
		t.Run(object, func(t *testing.T) {
			number, err := open()
			require.NoError(t, err)
			f := fd.New(number)
			defer f.Close()
			_, err = timerfd.FromFD(f)
			assert.ErrorIs(t, err, unix.EINVAL)
			assert.ErrorContains(t, err, object)
			assert.Equal(t, number, f.Fd())
			for _, flag := range []func() (bool, error){f.Cloexec, f.Nonblock} {
				set, err := flag()
				require.NoError(t, err)
				assert.False(t, set)
			}
		})
	}
}

func TestFromFDWithoutDescriptor(t *testing.T) {
	_, err := timerfd.FromFD(nil)
	assert.ErrorIs(t, err, unix.EINVAL)
	for _, f := range []*fd.FD{new(fd.FD), fd.New(-1), fd.New(math.MinInt32)} {
		_, err = timerfd.FromFD(f)
		assert.Equal(t, fd.ErrClosed, err)
	}
	stale := fd.New(1 << 20) // not open
	_, err = timerfd.FromFD(stale)
	assert.ErrorIs(t, err, unix.EBADF)
	assert.True(t, stale.Valid())
	_, err = stale.Release()
	require.NoError(t, err)

	tm := timer(t, timerfd.Monotonic)
	pin, err := tm.FD().Pin()
	require.NoError(t, err)
	_, err = timerfd.FromFD(tm.FD())
	assert.ErrorIs(t, err, unix.EBUSY)
	assert.True(t, tm.Valid())
	pin.Unpin()
}

// The timer is readable after it has expired, until Read.
func TestEpollReportsReadiness(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	pin, err := tm.FD().Pin()
	require.NoError(t, err)
	defer pin.Unpin()
	number := pin.Number()
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(epoll)
	watch := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT, Fd: int32(number)}
	require.NoError(t, unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, number, &watch))
	var events [2]unix.EpollEvent
	n, err := unix.EpollWait(epoll, events[:], 0)
	require.NoError(t, err)
	assert.Zero(t, n)
	require.NoError(t, tm.Arm(0, 0))
	for {
		n, err = unix.EpollWait(epoll, events[:], -1)
		if err != unix.EINTR {
			break
		}
	}
	require.NoError(t, err)
	require.Equal(t, 1, n)
	assert.Equal(t, unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(number)}, events[0])
	assert.Equal(t, uint64(1), expires(t, tm))
	n, err = unix.EpollWait(epoll, events[:], 0)
	require.NoError(t, err)
	assert.Zero(t, n)
}
