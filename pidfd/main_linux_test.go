package pidfd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

// roleVar in the environment makes the test binary play one of the roles, as a
// child of the test.
const roleVar = "PIDFD_TEST_ROLE"

var roles = map[string]func(){
	"ignorer": ignorer,
	"writer":  writer,
	"tracee":  tracee,
	"tracer":  tracer,
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVar)]; ok {
		role()
		return
	}
	// Package os finds out once, and for good, whether there are pidfds: not when a
	// test has used up the descriptors.
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Release()
	}
	systest.Main(m)
}

// An actor is the test binary in a role. It says one line when it is ready, and
// ends when dismissed.
type actor struct {
	cmd     *exec.Cmd
	line    string
	dismiss func() error
}

func act(t *testing.T, start func(*exec.Cmd) error, role string, env ...string) *actor {
	t.Helper()
	argv := append(strings.Fields(os.Getenv("MATRIX_EMU")), os.Args[0])
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
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return &actor{cmd, strings.TrimSpace(line), stdin.Close}
}

// ready says line and returns when the actor is dismissed.
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

// soon is a context for what must happen before long.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// wait is WaitContext for what must end before long.
func wait(t *testing.T, p *pidfd.PidFD) *pidfd.ExitStatus {
	t.Helper()
	status, err := p.WaitContext(soon(t))
	require.NoError(t, err)
	return status
}
