package signalfd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

var showStatus = []string{"grep", "-E", "^(SigBlk|TracerPid)", "/proc/self/status"}

const cleanStatus = "TracerPid:\t0\nSigBlk:\t0000000000000000\n"

// No child has a signal blocked or is traced, while many children start and signals
// come in. No signal is lost.
func TestStart(t *testing.T) {
	needStart(t)
	const count = 20000
	p := start(t, self(t, "starter"))
	require.Equal(t, "ready", p.line())
	from := startSender(t)
	require.NoError(t, from.send("queue", p.pid(), 40, 0, long(count, 2000)))
	require.NoError(t, from.send("queue", p.pid(), 41, 0, 1))
	assert.Equal(t, fmt.Sprintf("read %d in order", long(count, 2000)), p.line())
	require.NoError(t, p.in.Close())
	var children int
	_, err := fmt.Sscanf(p.line(), "%d children were clean", &children)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, children, long(200, 20))
	t.Log(children, "children")
	require.NoError(t, p.cmd.Wait())
}

// startMany starts children until standard input ends, and reads signals up to
// 41.
func startMany() error {
	if err := signalfd.Block(blockable); err != nil {
		return err
	}
	s, err := newDirect(signalfd.NewSet(40, 41))
	if err != nil {
		return err
	}
	plain, err := exec.Command(showStatus[0], showStatus[1:]...).Output()
	if err != nil || string(plain) == cleanStatus {
		return fmt.Errorf("a plain child: %q %w", plain, err)
	}
	fmt.Println("ready")
	end := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(end)
	}()
	read := make(chan error)
	go func() {
		for count := 0; ; count++ {
			info, err := s.ReadContext(context.Background())
			switch {
			case err != nil:
				read <- err
				return
			case info.Signal == 41:
				fmt.Printf("read %d in order\n", count)
				read <- nil
				return
			case info.Int != count:
				read <- fmt.Errorf("after %d signals: %v", count, info)
				return
			}
		}
	}()
	children := 0
	for running := true; running || children < 20; children++ {
		select {
		case <-end:
			running = children < 200 && !testing.Short()
		default:
		}
		var out bytes.Buffer
		cmd := exec.Command(showStatus[0], showStatus[1:]...)
		cmd.Stdout = &out
		if err := signalfd.Start(cmd); err != nil {
			return err
		}
		if err := cmd.Wait(); err != nil || out.String() != cleanStatus {
			return fmt.Errorf("child %d: %q %w", children, out.String(), err)
		}
	}
	fmt.Println(children, "children were clean")
	return errors.Join(<-read, s.Close())
}

// If no signal is blocked, Start is cmd.Start.
func TestStartUnblocked(t *testing.T) {
	cmd := exec.Command(showStatus[0], showStatus[1:]...)
	var out bytes.Buffer
	cmd.Stdout = &out
	require.NoError(t, signalfd.Start(cmd))
	require.NoError(t, cmd.Wait())
	assert.Equal(t, cleanStatus, out.String())
}

// Start honors the fields of cmd, such as pipes and the pidfd.
func TestStartObeys(t *testing.T) {
	needStart(t)
	blockHere(t, unix.SIGUSR1, unix.SIGTERM)
	number := -1
	attr := &syscall.SysProcAttr{Setpgid: true, PidFD: &number}
	cmd := exec.Command("sh", "-c", "tr a-z A-Z; exit 7")
	cmd.SysProcAttr = attr
	cmd.Stdin = strings.NewReader("hello")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, signalfd.Start(cmd))
	assert.Same(t, attr, cmd.SysProcAttr)
	assert.Same(t, &number, attr.PidFD)
	assert.False(t, attr.Ptrace)
	group, err := unix.Getpgid(cmd.Process.Pid)
	require.NoError(t, err)
	assert.Equal(t, cmd.Process.Pid, group)
	require.NoError(t, unix.PidfdSendSignal(number, 0, nil, 0))
	require.NoError(t, unix.Close(number))
	said, err := io.ReadAll(out)
	require.NoError(t, err)
	assert.Equal(t, "HELLO", string(said))
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	assert.Equal(t, 7, exit.ExitCode())
	assert.ErrorIs(t, cmd.Process.Signal(unix.SIGTERM), os.ErrProcessDone)

	// The thread is as it was. A signal that the thread has blocked can end its child.
	cmd = exec.Command("sleep", "100")
	require.NoError(t, signalfd.Start(cmd))
	assert.Nil(t, cmd.SysProcAttr)
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	require.ErrorAs(t, cmd.Wait(), &exit)
	assert.Equal(t, "signal: terminated", exit.Error())
	status, err := exec.Command(showStatus[0], showStatus[1:]...).Output()
	require.NoError(t, err)
	assert.Equal(t, signalfd.NewSet(unix.SIGUSR1, unix.SIGTERM), statusSet(string(status), "SigBlk"))
}

// A child that is killed before its program begins is reported as killed.
func TestStartKilled(t *testing.T) {
	needStart(t)
	blockHere(t, unix.SIGUSR1)
	for range long(100, 20) {
		ctx, cancel := context.WithCancel(context.Background())
		cmd := exec.CommandContext(ctx, "sleep", "100")
		kill := time.AfterFunc(300*time.Microsecond, cancel)
		err := signalfd.Start(cmd)
		cancel()
		kill.Stop()
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			continue
		}
		require.Error(t, cmd.Wait())
	}
	for range long(50, 10) {
		cmd := exec.Command("false")
		require.NoError(t, signalfd.Start(cmd))
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Wait(), &exit)
		assert.Equal(t, "exit status 1", exit.Error())
	}
}

// An error of the kernel that has nothing to do with tracing stays as it is.
func TestStartNotPermitted(t *testing.T) {
	needStart(t)
	p := start(t, self(t, "notpermitted"))
	out, err := io.ReadAll(p.out)
	require.NoError(t, err)
	require.NoError(t, p.cmd.Wait(), string(out))
	assert.Equal(t, "fork/exec /proc/self/exe: operation not permitted\n", string(out))
}

// RLIMIT_FSIZE also limits files in memory.
func TestStartFileSizeLimit(t *testing.T) {
	needStart(t)
	assert.Equal(t, "unsupported\n", output(t, self(t, "nofiles")))
}

func startWithoutFileSize() error {
	lockAndBlock()
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{}); err != nil {
		return err
	}
	if err := signalfd.Start(exec.Command("true")); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("Start: %v", err)
	}
	fmt.Println("unsupported")
	return nil
}

func startNotPermitted() error {
	lockAndBlock()
	if _, err := systest.InstallFilter(0, systest.Refusal{Call: unix.SYS_SETSID, Errno: unix.EPERM}); err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	fmt.Println(signalfd.Start(cmd))
	return nil
}

// lockAndBlock is blockHere for a process in a role: for the rest of its life.
func lockAndBlock() {
	runtime.LockOSThread()
	var set unix.Sigset_t
	fill(&set, unix.SIGUSR1, unix.SIGTERM, 40)
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
}

// A set-user-ID program gets its privileges.
func TestStartPrivileges(t *testing.T) {
	needStart(t)
	systest.NeedUser(t, 65534, 65534)
	dir, err := os.MkdirTemp("", "signalfd")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), nil, 0o600))
	executable, err := os.Executable()
	require.NoError(t, err)
	for name, mode := range map[string]fs.FileMode{"reader": 0o755 | fs.ModeSetuid, "program": 0o755} {
		require.NoError(t, exec.Command("cp", executable, filepath.Join(dir, name)).Run())
		require.NoError(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	cmd := self(t, "unprivileged")
	cmd.Path, cmd.Dir = filepath.Join(dir, "program"), dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out := output(t, cmd)
	if strings.HasPrefix(out, "cmd.Start: denied\n") {
		t.Skip("needs set-user-ID programs: nosuid in mount(8) or no_new_privs in prctl(2) is set")
	}
	assert.Equal(t, "cmd.Start: root\nStart: root\n", out)
}

// readSecret opens a file that only root may open.
func readSecret() error {
	secret, err := os.Open("secret")
	if err != nil {
		return err
	}
	return secret.Close()
}

func startPrivileged() error {
	lockAndBlock()
	for _, way := range []struct {
		name  string
		start func(*exec.Cmd) error
	}{{"cmd.Start", (*exec.Cmd).Start}, {"Start", signalfd.Start}} {
		cmd := exec.Command("./reader")
		cmd.Env = append(os.Environ(), roleVar+"=reader")
		if err := way.start(cmd); err != nil {
			return err
		}
		said := "root"
		if cmd.Wait() != nil {
			said = "denied"
		}
		fmt.Printf("%s: %s\n", way.name, said)
	}
	return nil
}

// Start does not hang if signals reach the process group while children begin, or if
// another goroutine reaps all children.
func TestStartAmongOthers(t *testing.T) {
	needStart(t)
	needCapture(t)
	for _, role := range []string{"hammered", "reaped"} {
		cmd := self(t, role)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		p := start(t, cmd)
		assert.Equal(t, "done", p.line(), role)
		require.NoError(t, p.cmd.Wait(), role)
	}
}

func startHammered() error {
	s, err := signalfd.New(signalfd.NewSet(unix.SIGINT, unix.SIGTERM))
	if err != nil {
		return err
	}
	lockAndBlock()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Kill(0, unix.SIGINT)
				_, _ = s.Read()
			}
		}
	})
	for range long(150, 20) {
		cmd := exec.Command("true")
		if err := signalfd.Start(cmd); err != nil {
			return err
		}
		_ = cmd.Wait()
	}
	close(stop)
	wg.Wait()
	fmt.Println("done")
	return nil // a signal that is still on its way would end the process after Close
}

func startReaped() error {
	lockAndBlock()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
			}
		}
	})
	for range long(150, 20) {
		cmd := exec.Command("true")
		if err := signalfd.Start(cmd); err != nil {
			return err
		}
		_ = cmd.Wait()
	}
	close(stop)
	wg.Wait()
	fmt.Println("done")
	return nil
}

// A reader of SIGCHLD sees the end of the child, and nothing before.
func TestStartSendsOneSIGCHLD(t *testing.T) {
	needStart(t)
	needCapture(t)
	p := start(t, self(t, "children"))
	var pid int
	_, err := fmt.Sscanf(p.line(), fmt.Sprintf("SIGCHLD CLD_EXITED pid %%d uid %d status 1", os.Getuid()), &pid)
	require.NoError(t, err)
	assert.Equal(t, "and no other", p.line())
	require.NoError(t, p.cmd.Wait())
}

func startAndRead() error {
	s, err := signalfd.New(signalfd.NewSet(unix.SIGCHLD))
	if err != nil {
		return err
	}
	lockAndBlock()
	cmd := exec.Command("sh", "-c", "read line; exit 1")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := signalfd.Start(cmd); err != nil {
		return err
	}
	if err := in.Close(); err != nil {
		return err
	}
	info, err := s.ReadContext(context.Background())
	if err != nil {
		return err
	}
	fmt.Println(info)
	_ = cmd.Wait()
	if info, err := s.Read(); !errors.Is(err, fd.ErrWouldBlock) {
		return fmt.Errorf("%v %w", info, err)
	}
	fmt.Println("and no other")
	return s.Close()
}
