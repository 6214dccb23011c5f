//go:build linux

package timerfd_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/timerfd"
)

// slept returns how long the machine has slept since it booted.
func slept(t *testing.T) time.Duration {
	boot, mono := shown(t, timerfd.Boottime), shown(t, timerfd.Monotonic)
	return time.Duration(boot.Nano() - mono.Nano())
}

// suspend suspends the machine to RAM for some seconds.
func suspend(t *testing.T, seconds int) {
	t.Helper()
	require.NoError(t, os.WriteFile(wakeAlarm, []byte("0"), 0))
	require.NoError(t, os.WriteFile(wakeAlarm, fmt.Appendf(nil, "+%d", seconds), 0))
	require.NoError(t, os.WriteFile("/sys/power/state", []byte("mem"), 0))
}

const wakeAlarm = "/sys/class/rtc/rtc0/wakealarm"

// needSuspend skips the test if the machine cannot be suspended to RAM, or cannot wake
// by itself.
func needSuspend(t *testing.T) {
	t.Helper()
	states, err := os.ReadFile("/sys/power/mem_sleep")
	if err == nil && !strings.Contains(string(states), "[deep]") {
		err = fmt.Errorf("%s: %w", states, unix.EOPNOTSUPP)
	}
	systest.Need(t, "suspend to RAM", err)
	systest.Need(t, "suspend to RAM with a clock that wakes the machine", os.WriteFile(wakeAlarm, []byte("0"), 0))
}

// The machine sleeps past the deadline. Then WaitUntil returns when the machine wakes,
// and not later by the time of the sleep, which no monotonic clock counts.
func TestWaitUntilAcrossSuspend(t *testing.T) {
	if os.Getenv("KERNELS_VM") == "" {
		t.Skip("suspends the machine, which is for the virtual machines of test/kernels")
	}
	needSuspend(t)
	for _, c := range []struct {
		name     string
		deadline time.Duration
		sleep    int
	}{
		{"deadline during sleep", 10 * time.Second, 12},
		{"deadline after sleep", 20 * time.Second, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			tm, reported := timer(t, timerfd.Realtime), timer(t, timerfd.Realtime)
			require.NoError(t, reported.ArmAt(time.Now().Add(far), 0, timerfd.CancelOnSet))
			deadline := time.Now().Add(c.deadline)
			before := slept(t)
			start := shown(t, timerfd.Monotonic)
			result := waits(t, background, tm, deadline)
			suspend(t, c.sleep)
			require.NoError(t, <-result)
			late := wallNow().Sub(deadline.Round(0))
			end := shown(t, timerfd.Monotonic)
			awake := time.Duration(end.Nano() - start.Nano())
			asleep := slept(t) - before
			assert.Greater(t, asleep, time.Second, "the machine has not slept")
			assert.Less(t, awake, c.deadline, "the wait has not counted the sleep")
			disarmed(t, tm)
			_, err := reported.Read()
			assert.Equal(t, timerfd.ErrClockChanged, err, "a resume is reported as a change")
			t.Log("awake", awake, "asleep", asleep, "late", late)
		})
	}
}
