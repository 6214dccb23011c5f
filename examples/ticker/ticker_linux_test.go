package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/timerfd"
)

func TestHelp(t *testing.T) {
	exampletest.CheckHelp(t, "-every", "-n", "-for", "-at", "-print", "-svg", "-alone")
}

func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		args  string
		names []string
	}{
		{"", []string{"-every", "-at"}},
		{"-n 3", []string{"-every", "-at"}},
		{"-nonsense", []string{"-nonsense"}},
		{"-every", []string{"-every"}},
		{"-every often", []string{"-every", `"often"`, "duration"}},
		{"-every 10", []string{"-every", `"10"`, "duration"}},
		{"-every 0s", []string{"-every", `"0s"`, "more than 0"}},
		{"-every -1s", []string{"-every", `"-1s"`, "more than 0"}},
		{"-every 9999999h", []string{"-every", "9999999h"}},
		{"-every 1s 5", []string{`"5"`}},
		{"-every 1s -n 0", []string{"-n", `"0"`}},
		{"-every 1s -n -2", []string{"-n", `"-2"`}},
		{"-every 1s -n many", []string{"-n", `"many"`}},
		{"-every 1s -n 9223372036854775808", []string{"-n", "9223372036854775807"}},
		{"-every 1s -for 0s", []string{"-for", `"0s"`}},
		{"-every 1s -for -1s", []string{"-for", `"-1s"`}},
		{"-every 1s -for 999ms", []string{"-for 999ms", "-every 1s"}},
		{"-every 1s -for 5s -n 5", []string{"-for", "-n"}},
		{"-every 1s -svg=", []string{"-svg"}},
		{"-every 1s -print=perhaps", []string{"-print", "perhaps"}},
		{"-at noon", []string{"-at", `"noon"`, "15:04:05", "2006-01-02T15:04:05Z"}},
		{"-at 25:00:00", []string{"-at", "25:00:00"}},
		{"-at 2030-01-01", []string{"-at", "2030-01-01"}},
		{"-at 2030-02-30T00:00:00Z", []string{"-at", "2030-02-30"}},
		{"-at 2020-01-01T00:00:00Z", []string{"-at", "2020-01-01", "has passed"}},
		{"-at 23:59:59 -n 2", []string{"-n", "-every"}},
		{"-at 23:59:59 -for 2s", []string{"-for", "-every"}},
		{"-at 23:59:59 -svg x", []string{"-svg", "-every"}},
	} {
		exampletest.CheckFails(t, program(t, strings.Fields(c.args)...), 2, c.names...)
	}
}

func TestParseTime(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	// The day before the clock there is put an hour ahead.
	now := time.Date(2026, 3, 28, 12, 0, 0, 5e8, zone)
	for text, want := range map[string]string{
		"12:00:01":                  "2026-03-28T12:00:01+01:00",
		"12:00:00.75":               "2026-03-28T12:00:00.75+01:00",
		"12:00:00":                  "2026-03-29T12:00:00+02:00",
		"00:00:00":                  "2026-03-29T00:00:00+01:00",
		"2026-03-28T11:00:01Z":      "2026-03-28T11:00:01Z",
		"2026-12-31T23:59:59+14:00": "2026-12-31T23:59:59+14:00",
	} {
		got, err := parseTime(text, now)
		require.NoError(t, err, text)
		assert.Equal(t, want, got.Format(time.RFC3339Nano), text)
	}
	for _, text := range []string{"2026-03-28T12:00:00+01:00", "2026-03-28T11:00:00.5Z"} {
		_, err := parseTime(text, now)
		assert.ErrorContains(t, err, "has passed", text)
	}
}

func TestEvery(t *testing.T) {
	for _, args := range []string{"-every 10ms -n 12", "-every 10ms -for 125ms"} {
		for _, alone := range []string{"", " -alone"} {
			status, stdout, stderr := systest.Result(t, program(t, strings.Fields(args+alone)...))
			assert.Zero(t, status, args)
			assert.Empty(t, stderr, "it is no terminal")
			ticks, missed := counts(t, stdout, "timerfd")
			assert.GreaterOrEqual(t, ticks+missed, 12, stdout)
			assert.Positive(t, ticks)
			beside := alone == "" && !systest.Emulated()
			assert.Equal(t, beside, strings.Contains(stdout, "time.Ticker"), stdout)
		}
	}
}

// The process beside ticks, too. On a busy machine it may come too late for the first
// runs.
func TestTicksBeside(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	for ticks, try := 0, 0; ticks == 0; try++ {
		require.Less(t, try, 50, "no run has a tick of the time.Ticker")
		status, stdout, _ := systest.Result(t, program(t, "-every", "10ms", "-n", "12"))
		require.Zero(t, status)
		ticks, _ = counts(t, stdout, "time.Ticker")
	}
}

// An interval so short that no tick is waited for can be stopped, too.
func TestTooFast(t *testing.T) {
	cmd, out := begin(t, nil, "-every", "1ns", "-print")
	until(t, out, "missed")
	require.NoError(t, cmd.Process.Signal(unix.SIGINT))
	status, rest := finish(t, cmd, out)
	assert.Zero(t, status)
	_, missed := counts(t, rest, "timerfd")
	assert.Positive(t, missed)
}

var line = regexp.MustCompile(`^ *(\d+)  \d\d:\d\d:\d\d\.\d{6}  late [0-9.]+[nµm]?s(  missed (\d+))?\n$`)

func TestPrint(t *testing.T) {
	status, stdout, _ := systest.Result(t, program(t, "-every", "10ms", "-n", "5", "-print", "-alone"))
	assert.Zero(t, status)
	ticks, missed := counts(t, stdout, "timerfd")
	lines := strings.SplitAfter(stdout, "\n")
	number := 0
	for _, text := range lines[:ticks] {
		found := line.FindStringSubmatch(text)
		require.NotNil(t, found, text)
		more := 0
		_, _ = fmt.Sscan(found[3], &more)
		number += 1 + more
		assert.Equal(t, fmt.Sprint(number), found[1], text)
	}
	assert.Equal(t, ticks+missed, number)
	assert.Contains(t, lines[ticks], "lateness", "the report follows")
}

// soon returns a time that a program which is started now has still before it.
func soon() time.Time {
	wait := time.Second
	if systest.Emulated() {
		wait *= 4
	}
	return time.Now().Add(wait).Truncate(time.Microsecond)
}

func TestAt(t *testing.T) {
	for _, layout := range []string{"15:04:05.000000", time.RFC3339Nano} {
		at := soon()
		status, stdout, stderr := systest.Result(t, program(t, "-at", at.Format(layout)))
		assert.Zero(t, status, stderr)
		assert.False(t, time.Now().Before(at), "not before")
		ticks, missed := counts(t, stdout, "timerfd")
		assert.Equal(t, 1, ticks)
		assert.Zero(t, missed)
		assert.NotContains(t, stdout, "time.Ticker")
	}
	at := soon()
	status, stdout, stderr := systest.Result(t, program(t, "-at", at.Format(time.RFC3339Nano), "-every", "20ms", "-n", "5"))
	assert.Zero(t, status, stderr)
	assert.False(t, time.Now().Before(at.Add(80*time.Millisecond)))
	ticks, missed := counts(t, stdout, "timerfd")
	assert.GreaterOrEqual(t, ticks+missed, 5)
}

func TestSignals(t *testing.T) {
	for _, c := range []struct {
		args   string
		signal syscall.Signal
		status int
	}{
		{"-every 10ms -print", unix.SIGINT, 0},
		{"-every 10ms -print", unix.SIGTERM, 0},
		{"-every 10ms -print -n 1000000", unix.SIGINT, 130},
		{"-every 10ms -print -for 1h", unix.SIGTERM, 143},
		{"-every 10ms -print -for 1h", unix.SIGHUP, 129},
		{"-every 10ms -print -for 1h", unix.SIGQUIT, 131},
	} {
		cmd, out := begin(t, nil, strings.Fields(c.args)...)
		until(t, out, "late")
		require.NoError(t, cmd.Process.Signal(c.signal))
		status, rest := finish(t, cmd, out)
		assert.Equal(t, c.status, status, c.args)
		ticks, _ := counts(t, rest, "timerfd")
		assert.Positive(t, ticks)
	}
}

// Signals that were ignored at the start, as by nohup(1), stay so.
func TestIgnoredSignals(t *testing.T) {
	cmd := exampletest.After(t, `trap "" HUP INT QUIT`, program(t, "-every", "10ms", "-print"))
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	out := bufio.NewReader(pipe)
	until(t, out, "late")
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT} {
		require.NoError(t, cmd.Process.Signal(sig))
		for range 3 {
			until(t, out, "late")
		}
	}
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	status, rest := finish(t, cmd, out)
	assert.Zero(t, status)
	counts(t, rest, "timerfd")
}

// A process that is held up is told by the kernel how much it has missed.
func TestMissed(t *testing.T) {
	cmd, out := begin(t, nil, "-every", "10ms", "-print", "-alone")
	until(t, out, "late")
	require.NoError(t, cmd.Process.Signal(unix.SIGSTOP))
	time.Sleep(300 * time.Millisecond)
	require.NoError(t, cmd.Process.Signal(unix.SIGCONT))
	sum := 0
	for sum < 25 {
		found := line.FindStringSubmatch(until(t, out, "missed"))
		require.NotNil(t, found)
		more := 0
		_, err := fmt.Sscan(found[3], &more)
		require.NoError(t, err)
		sum += more
	}
	require.NoError(t, cmd.Process.Signal(unix.SIGINT))
	_, rest := finish(t, cmd, out)
	_, missed := counts(t, rest, "timerfd")
	assert.GreaterOrEqual(t, missed, sum)
}

// Setting the clock to what it shows cancels timers as any other setting does.
func TestClockSet(t *testing.T) {
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	cmd := program(t, "-at", at.Format(time.RFC3339))
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	// The timer is armed when the time that it is armed for can be read.
	armed := func() bool {
		infos, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", cmd.Process.Pid))
		for _, info := range infos {
			text, _ := os.ReadFile(info)
			if strings.Contains(string(text), "settime flags: 03") {
				return true
			}
		}
		return false
	}
	require.Eventually(t, armed, 20*time.Second, 5*time.Millisecond)
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_REALTIME, &now))
	err = unix.ClockSettime(unix.CLOCK_REALTIME, &now)
	systest.Need(t, "permission to set the clock", os.NewSyscallError("clock_settime", err))
	said := until(t, bufio.NewReader(stderr), "the clock was set")
	assert.Regexp(t, `set by [-+]0\.\d{6} s; the next tick is at `+regexp.QuoteMeta(at.Format(time.RFC3339)), said)
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	status, rest := finish(t, cmd, bufio.NewReader(stdout))
	assert.Equal(t, 143, status)
	assert.Regexp(t, "\nclock set +[1-9]", rest)
}

// The test computes the effects of a clock that was set far, and does not set it.
func TestClockSetFar(t *testing.T) {
	now := time.Now()
	const every = 20 * time.Millisecond
	for what, c := range map[string]struct{ at, due, want time.Duration }{
		"ahead, over the tick":       {-time.Hour, -50 * every, -50 * every},
		"back":                       {-time.Hour, 50*every + every/2, every / 2},
		"back, before the first":     {5 * every, 50*every + every/2, 5 * every},
		"back, to the tick before":   {-time.Hour, every + 2, 2},
		"not past the tick":          {-time.Hour, every / 2, every / 2},
		"before the first, and over": {-every, -every, -every},
	} {
		t.Run(what, func(t *testing.T) {
			tk, err := newTicker(&options{every: every, count: endless, at: now.Round(0).Add(c.at)})
			require.NoError(t, err)
			defer tk.timer.Close()
			tk.seen, tk.due = reading{Time: now}, now.Round(0).Add(c.due)
			require.NoError(t, tk.clockSetTo(tk.seen))
			expirations, err := tk.timer.ReadContext(t.Context())
			if err == timerfd.ErrClockChanged || tk.sets > 1 {
				return // another test has set it
			}
			require.NoError(t, err)
			assert.Equal(t, now.Round(0).Add(c.want), tk.due)
			assert.Equal(t, c.want <= 0, tk.setOver)

			// A tick over which the clock was set is not called late.
			require.NoError(t, tk.take(time.Now(), expirations))
			assert.EqualValues(t, 1, tk.late.Ticks)
			if c.want <= 0 {
				assert.GreaterOrEqual(t, tk.late.Missed, uint64(-c.want/every))
				assert.Zero(t, tk.late.Count())
			} else {
				assert.EqualValues(t, 1, tk.late.Count())
			}
			assert.True(t, tk.due.After(now.Round(0)))
			assert.False(t, tk.setOver)
			require.NoError(t, tk.timer.Close())
			assert.ErrorIs(t, tk.loop(t.Context()), os.ErrClosed)
		})
	}
}

// At a terminal it tells how far it is, and Ctrl-C, which goes to the process
// beside too, brings the report of both.
func TestTerminal(t *testing.T) {
	at := soon()
	cmd := program(t, "-at", at.Format(time.RFC3339Nano), "-every", "20ms", "-n", "100000")
	master := exampletest.AtTerminal(t, cmd)
	out := bufio.NewReader(master)
	until(t, out, "first tick at "+at.Format(time.RFC3339))
	for text := ""; !strings.HasSuffix(text, " of 100000 ticks"); {
		b, err := out.ReadByte()
		require.NoError(t, err, text)
		text += string(b)
	}
	_, err := master.WriteString("\x03")
	require.NoError(t, err)
	assert.Contains(t, until(t, out, "lateness"), "\r\x1b[K", "the report is on a line of its own")
	ticks, _ := counts(t, until(t, out, "timerfd"), "timerfd")
	assert.Positive(t, ticks)
	if !systest.Emulated() {
		until(t, out, "time.Ticker")
	}
	_, err = master.WriteString("\n")
	require.NoError(t, err)
	_ = cmd.Wait()
	assert.Equal(t, 130, systest.ExitStatus(cmd))
}

func TestPicture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jitter.svg")
	status, _, stderr := systest.Result(t, program(t, "-every", "10ms", "-n", "30", "-svg", path))
	require.Zero(t, status, stderr)
	picture, err := os.ReadFile(path)
	require.NoError(t, err)
	all := string(picture)
	for _, want := range []string{"every 10ms", "timerfd: ", "lateness (log scale)", "ticks (log scale)", "p50"} {
		assert.Contains(t, all, want)
	}
	// Its line, and that in the legend.
	assert.Equal(t, 2, strings.Count(strings.ToLower(string(picture)), "#0969da"))
	if !systest.Emulated() {
		assert.Contains(t, all, "time.Ticker: ")
		assert.Equal(t, 2, strings.Count(strings.ToLower(string(picture)), "#bc4c00"))
	}
}

// An older picture stays until the end, and nothing else is left in its directory.
func TestOldPicture(t *testing.T) {
	for what, end := range map[string]syscall.Signal{"killed": unix.SIGKILL, "ended": unix.SIGINT} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "jitter.svg")
			require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
			cmd, out := begin(t, nil, "-every", "10ms", "-print", "-svg", path)
			until(t, out, "late")
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, "old", string(text))
			require.NoError(t, cmd.Process.Signal(end))
			finish(t, cmd, out)
			text, err = os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, end == unix.SIGKILL, string(text) == "old")
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Len(t, left, 1)
		})
	}
	path := filepath.Join(t.TempDir(), "picture")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	fresh, _ := beside(path)
	require.NoError(t, os.MkdirAll(filepath.Join(fresh, "in the way"), 0o700))
	require.Error(t, checkFile(path))
	require.Error(t, writeFile(path, []byte("new")))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "old", string(text))
}

// A picture is written to what is not a file, too.
func TestPictureToPipe(t *testing.T) {
	status, stdout, stderr := systest.Result(t, program(t, "-every", "1ms", "-n", "2", "-svg", "/dev/stdout"))
	assert.Zero(t, status, stderr)
	assert.Contains(t, stdout, "lateness ")
	assert.Contains(t, stdout, "</svg>")
}

// Output that cannot be written is reported, and the picture's file before the first
// tick.
func TestCannotWrite(t *testing.T) {
	for _, path := range []string{"/nonexistent/x.svg", t.TempDir()} {
		exampletest.CheckFails(t, program(t, "-every", "1h", "-svg", path), 1, path)
	}

	status, _, stderr := systest.Result(t, program(t, "-every", "1ms", "-n", "2", "-svg", "/dev/full"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "/dev/full")

	for _, args := range []string{"-every 1ms -n 2", "-every 1ms -print"} {
		status, stderr := systest.ResultFull(t, program(t, strings.Fields(args)...))
		assert.Equal(t, 1, status, args)
		assert.Contains(t, stderr, "no space left")
	}
}

// However few descriptors there are, the program ends, and says that it lacked some.
func TestFewDescriptors(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	ended := make(map[int]int)
	for limit := 4; limit < 40; limit++ {
		cmd := exampletest.After(t, fmt.Sprint("ulimit -n ", limit), program(t, "-every", "1ms", "-n", "2"))
		status, _, stderr := systest.Result(t, cmd)
		ended[status]++
		if status != 0 {
			assert.Equal(t, "ticker: 12 descriptors are needed: too many open files\n", stderr, limit)
		}
	}
	assert.Positive(t, ended[0])
	assert.Positive(t, ended[1])
}
