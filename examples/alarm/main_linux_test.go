package main

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestUsage(t *testing.T) {
	exampletest.CheckUsage(t, nil, []string{"soon"}, []string{"24:00:00"}, []string{"7:30"}, []string{"07:30:00", "x"})
}

// begin starts the program for a time of the wall clock. It returns the rest of its log
// and when the alarm is.
func begin(t *testing.T, clock time.Time) (rest *bufio.Reader, at time.Time, end func(unix.Signal) error) {
	cmd := exampletest.Command(t, clock.Format(time.TimeOnly))
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	rest = bufio.NewReader(stderr)
	line, err := rest.ReadString('\n')
	require.NoError(t, err)
	_, text, _ := strings.Cut(strings.TrimSpace(line), "the alarm is at ")
	at, err = time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return rest, at, func(sig unix.Signal) error {
		if sig != 0 {
			_ = cmd.Process.Signal(sig)
		}
		return cmd.Wait()
	}
}

func TestAlarm(t *testing.T) {
	for ahead := 2 * time.Second; ; ahead *= 2 {
		rest, at, end := begin(t, time.Now().Add(ahead))
		if time.Until(at) > time.Hour { // a slow machine: the time has passed, so it is tomorrow
			require.Error(t, end(unix.SIGTERM))
			continue
		}
		line, err := rest.ReadString('\n')
		require.NoError(t, err)
		assert.Contains(t, line, "alarm")
		assert.False(t, time.Now().Before(at))
		assert.NoError(t, end(0))
		return
	}
}

// With 7 descriptors it could wait: three standard ones, two of the Go runtime, two of the timer.
func TestFewDescriptors(t *testing.T) { exampletest.CheckFewDescriptors(t, 6, "12:00:00") }

// One descriptor is enough for the timer, and not to wait for it.
func TestOneDescriptor(t *testing.T) {
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	lowest, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Close(lowest))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest) + 1, Max: limit.Max}))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }()
	err = run(time.Now().Add(3 * time.Second))
	assert.ErrorIs(t, err, unix.EMFILE)
	assert.NotContains(t, fmt.Sprint(err), "%!")
}

func TestTimeThatHasPassed(t *testing.T) {
	now := time.Now()
	_, at, end := begin(t, now.Add(-time.Minute))
	assert.True(t, at.After(now))
	assert.Error(t, end(unix.SIGTERM))
}

func TestChanges(t *testing.T) {
	for _, c := range []struct {
		wall, boot, monotonic time.Duration
		want                  string
	}{
		{time.Hour, time.Hour, time.Hour, ""},
		{2 * time.Hour, time.Hour, time.Hour, "; the clock was set by 1h0m0s"},
		{0, time.Hour, time.Hour, "; the clock was set by -1h0m0s"},
		{time.Hour, time.Hour, time.Minute, "; the machine slept for 59m0s"},
		{2 * time.Hour, time.Hour, time.Minute, "; the machine slept for 59m0s; the clock was set by 1h0m0s"},
	} {
		assert.Equal(t, c.want, changes(c.wall, c.boot, c.monotonic))
	}
}
