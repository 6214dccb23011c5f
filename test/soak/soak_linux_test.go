package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
)

// The test binary is soak when asProgram is set, and so are its children. spoilt then
// names a fault of its lives.
const (
	asProgram = "SOAK_TEST_PROGRAM"
	spoilt    = "SOAK_TEST_SPOILT"
	limited   = "SOAK_TEST_NOFILE" // the limit of descriptors
)

func TestMain(m *testing.M) {
	program.Play(roles)
	if os.Getenv(asProgram) != "" {
		if spoil := spoils[os.Getenv(spoilt)]; spoil != nil {
			extraLives = []life{{"spoilt", "", 1, func(*account) { try.Check(spoil()) }}}
		}
		if n, err := strconv.ParseUint(os.Getenv(limited), 10, 64); err == nil {
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
				panic(err)
			}
		}
		main()
	}
	systest.Main(m)
}

// command returns a command that runs soak.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := systest.Self(t, args...)
	cmd.Env = append(cmd.Env, asProgram+"=1")
	return cmd
}

// The program does what its help says: it runs all kinds of lives, and draws the
// result.
func TestSoak(t *testing.T) {
	systest.NotEmulated(t, "the emulator lacks system calls that the program makes")
	svg := filepath.Join(t.TempDir(), "soak.svg")
	status, out, errs := systest.Result(t, command(t, "-for", "3s", "-handles", "1000", "-svg", svg))
	require.Zero(t, status, "%s%s", out, errs)
	assert.Empty(t, errs)
	assert.Contains(t, out, "all adds up, and nothing is left")
	for _, l := range allLives() {
		assert.Regexp(t, "(?m)^"+regexp.QuoteMeta(l.name)+` +[1-9]\d* +[1-9]`, out)
	}

	text, err := os.ReadFile(svg)
	require.NoError(t, err)
	for d := xml.NewDecoder(bytes.NewReader(text)); err == nil; {
		_, err = d.Token()
	}
	assert.Equal(t, io.EOF, err)
	for _, l := range levels {
		assert.Contains(t, string(text), l.name)
	}
}

// Each of these has a life with a fault. The fault makes the program fail, and the
// error names it.
var spoils = map[string]func() error{
	"fails":      func() error { return errors.New("own failure") },
	"descriptor": leaveDescriptor,
	"goroutine":  func() error { go func() { select {} }(); return nil },
	"memory": func() error {
		kept = append(kept, make([]byte, 2*mebi))
		time.Sleep(50 * time.Millisecond)
		return nil
	},
	"thread": func() error {
		for range blocking + 20 {
			go func() {
				runtime.LockOSThread()
				for { // each signal ends it
					_ = unix.Pause()
				}
			}()
		}
		time.Sleep(300 * time.Millisecond)
		return nil
	},
	"child": func() error {
		cmd, err := program.Child("exit", "0")
		if err == nil {
			err = cmd.Start()
		}
		return err
	},
}

var kept [][]byte

func leaveDescriptor() error {
	_, err := eventfd.New(0)
	return err
}

func TestSpoilt(t *testing.T) {
	systest.NotEmulated(t, "the emulator lacks system calls that the program makes")
	for what, want := range map[string]string{
		"fails":      `spoilt: own failure`,
		"descriptor": `(?s)descriptors not flat: .*\.leaveDescriptor\n`,
		"goroutine":  `goroutines not flat: at rest`,
		"memory":     `live heap not flat: at rest`,
		"thread":     `threads not flat: `,
		"child":      `children are left`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, "-for", "2s", "-handles", "100")
			cmd.Env = append(cmd.Env, spoilt+"="+what)
			status, out, errs := systest.Result(t, cmd)
			assert.Equal(t, program.StatusFailed, status, out)
			assert.Regexp(t, want, errs)
		})
	}
}

// If the limit of descriptors cannot be raised, the program says so and opens fewer
// handles.
func TestLimited(t *testing.T) {
	systest.NotEmulated(t, "the emulator lacks system calls that the program makes")
	cmd := command(t, "-for", "1s", "-handles", "100000")
	cmd.Env = append(cmd.Env, limited+"=900")
	status, out, errs := unprivileged(t, cmd)
	assert.Zero(t, status, errs)
	assert.Contains(t, out, "RLIMIT_NOFILE cannot be raised over 900: 409 handles stay open instead of 100000")
}

// unprivileged is Result for a command without the capability to change limits,
// even if the user is root.
func unprivileged(t testing.TB, cmd *exec.Cmd) (status int, stdout, stderr string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends with the goroutine, which does not unlock it.
		runtime.LockOSThread()
		// A process that may not drop the capability does not have it.
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_RESOURCE, 0, 0, 0)
		status, stdout, stderr = systest.Result(t, cmd)
	}()
	<-done
	return status, stdout, stderr
}

// If ^C ends the program, it judges the samples until then.
func TestInterrupted(t *testing.T) {
	systest.NotEmulated(t, "the emulator lacks system calls that the program makes")
	cmd := command(t, "-for", "1h", "-handles", "100")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	for first := ""; !strings.Contains(first, "stay open"); {
		first, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
	time.Sleep(500 * time.Millisecond)
	require.NoError(t, cmd.Process.Signal(unix.SIGINT))
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	assert.NoError(t, cmd.Wait(), errs.String())
	assert.Contains(t, string(rest), "all adds up")
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"now", `unexpected argument "now": see soak -h`},
		{"-for 1", `invalid value "1" for flag -for`},
		{"-for 10ms", "-for 10ms: less than a second shows nothing"},
		{"-handles -1", "-handles -1: must be from 0"},
		{"-load 0", "-load 0: must be more than 0"},
		{"-load NaN", "-load NaN: must be more than 0"},
		{"-load 10000", "-load 10000: must be more than 0, and not more than the"},
		{"-frob", "flag provided but not defined: -frob"},
	} {
		status, out, errs := systest.Result(t, command(t, strings.Fields(tt.args)...))
		assert.Equal(t, program.StatusUsage, status, tt.args)
		assert.Empty(t, out)
		assert.Contains(t, errs, "soak: ")
		assert.Contains(t, errs, tt.want)
		assert.Equal(t, 1, strings.Count(errs, "\n"), "one line: %s", errs)
	}
	status, out, _ := systest.Result(t, command(t, "-h"))
	assert.Zero(t, status)
	assert.Contains(t, out, summary)
}
