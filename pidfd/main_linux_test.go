package pidfd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

// roleVar in the environment makes the test binary play one of the roles, as a
// child of the test.
const roleVar = "PIDFD_TEST_ROLE"

var roles = map[string]func(){
	"dispensable": dispensable,
	"executer":    executer,
	"headless":    headless,
	"ignorer":     ignorer,
	"otherUser":   otherUser,
	"outsider":    outsider,
	"parent":      parent,
	"polite":      polite,
	"receiver":    receiver,
	"secluded":    secluded,
	"stubborn":    stubborn,
	"tracee":      tracee,
	"tracer":      tracer,
	"user":        user,
	"writer":      writer,
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVar)]; ok {
		role()
		return
	}
	// Package os finds out once whether there are pidfds, which must not happen while a
	// test has used up the descriptors.
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Release()
	}
	systest.Main(m)
}

// A testChild is the test binary in a role. It prints one line when it is ready, and ends
// when dismissed.
type testChild struct {
	cmd     *exec.Cmd
	line    string
	dismiss func() error
	out     *bufio.Reader
}

// next returns the next line that the child prints.
func (c *testChild) next(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

func act(t *testing.T, start func(*exec.Cmd) error, role string, env ...string) *testChild {
	t.Helper()
	argv := append(strings.Fields(os.Getenv("KERNELS_EMU")), os.Args[0])
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), append(env, roleVar+"="+role)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, start(cmd))
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = cmd.Process.Release() // if a PidFD has reaped it
	})
	a := &testChild{cmd: cmd, dismiss: stdin.Close, out: bufio.NewReader(stdout)}
	a.line = a.next(t)
	return a
}

// startInto starts a testChild by Start.
func startInto(p **pidfd.PidFD) func(*exec.Cmd) error {
	return func(cmd *exec.Cmd) (err error) {
		*p, err = pidfd.Start(cmd)
		return err
	}
}

// ready prints line and returns when the child is dismissed.
func ready(line any) {
	fmt.Println(line)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// open starts a shell for which there is only the PidFD.
func open(t *testing.T, script string) *pidfd.PidFD {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	require.NoError(t, cmd.Start())
	p, err := pidfd.Open(cmd.Process.Pid)
	require.NoError(t, err)
	undertaker, err := pidfd.Open(cmd.Process.Pid)
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Release())
	t.Cleanup(func() {
		_ = undertaker.SendSignal(unix.SIGKILL)
		_, _ = undertaker.WaitContext(context.Background())
		_ = undertaker.Close()
		_ = p.Close()
	})
	return p
}

// statusAfterReap returns the status of a process that another handle has reaped, or nil
// if the kernel is too old to report it.
func statusAfterReap(t *testing.T, p *pidfd.PidFD) *pidfd.ExitStatus {
	t.Helper()
	status, err := p.Wait()
	if err == nil {
		assert.Zero(t, status.Rusage, "the reaper alone gets it")
		assert.Zero(t, status.MaxRSS())
		assert.False(t, status.MaxRSSExact())
		return status
	}
	var call *os.SyscallError
	require.ErrorAs(t, err, &call)
	assert.Equal(t, "waitid", call.Syscall)
	assert.ErrorIs(t, err, unix.ECHILD)
	assert.ErrorContains(t, err, "use Exited")
	if !systest.Emulated() {
		assert.True(t, systest.OlderThan(t, 6, 15), "Info has the status")
	}
	return nil
}

// start starts a shell by Start.
func start(t *testing.T, script string) (*pidfd.PidFD, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = p.Close()
	})
	return p, cmd
}

// soon returns a context for an event that must happen.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// soonOver returns a context for an event that must not happen.
func soonOver() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Millisecond)
}

// wait is WaitContext for a process that must end.
func wait(t *testing.T, p *pidfd.PidFD) *pidfd.ExitStatus {
	t.Helper()
	status, err := p.WaitContext(soon(t))
	require.NoError(t, err)
	return status
}

// ended returns nil if err says that the process has ended.
func ended(err error) error {
	if errors.Is(err, os.ErrProcessDone) && errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err == nil {
		return errors.New("it has not ended")
	}
	return err
}

// closed closes the result of a call, and returns the error.
func closed(c interface{ Close() error }, err error) error {
	if err == nil {
		err = c.Close()
	}
	return err
}
