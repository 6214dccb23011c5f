package pidfd_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

const targetVar = "PIDFD_TEST_TARGET"

// otherUser becomes another user, tries every call on a process, and reports the
// results.
func otherUser() {
	pid, err := strconv.Atoi(os.Getenv(targetVar))
	dumpable := func() error { // else, up to Linux 5.13, it may not look at its own descriptors in /proc
		return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
	for _, err := range []error{err, syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534), dumpable()} {
		if err != nil {
			panic(err)
		}
	}
	p, err := pidfd.Open(pid)
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, call := range []struct {
		name string
		err  error
	}{
		{"SendSignal", p.SendSignal(0)},
		{"SendSignal(KILL)", p.SendSignal(unix.SIGKILL)},
		{"SendSignalTo(Thread)", p.SendSignalTo(0, pidfd.Thread)},
		{"SendSignalTo(ThreadGroup)", p.SendSignalTo(0, pidfd.ThreadGroup)},
		{"SendSignalTo(ProcessGroup)", p.SendSignalTo(0, pidfd.ProcessGroup)},
		{"Queue", p.Queue(0, 1)},
		{"GetFD", second(p.GetFD(0))},
		{"Namespace", second(p.Namespace(pidfd.NetNamespace))},
		{"OpenThread", second(pidfd.OpenThread(pid))},
		{"ID", second(p.ID())},
		{"Info", second(p.Info())},
		{"Usage", second(p.Usage())},
		{"Alive", second(p.Alive())},
		{"Wait", second(p.Wait())},
		{"Exited", p.Exited(cancelled)},
		{"Reaped", p.Reaped(cancelled)},
		{"Terminate", second(p.Terminate(context.Background(), time.Hour))},
		{"Terminate(0)", second(p.Terminate(context.Background(), 0))},
	} {
		errno := syscall.Errno(0)
		switch {
		case errors.Is(call.err, errors.ErrUnsupported):
			fmt.Println(call.name, "unsupported")
		case errors.As(call.err, &errno):
			fmt.Println(call.name, unix.ErrnoName(errno))
		default:
			fmt.Println(call.name, call.err)
		}
	}
	info, err := p.Info()
	fmt.Println(err, info.PID == pid, info.Exit == nil, info.Creds == nil || info.Creds.UID == 0)
}

func TestProcessOfAnotherUser(t *testing.T) {
	systest.NeedUser(t, 65534, 65534)
	cmd := exec.Command("sleep", "100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer func() {
		_ = p.SendSignal(unix.SIGKILL)
		_ = cmd.Wait()
		_ = p.Close()
	}()
	child := act(t, (*exec.Cmd).Start, "otherUser", targetVar+"="+strconv.Itoa(p.PID()))
	require.Equal(t, "ready", child.line)
	for _, want := range []string{
		"SendSignal EPERM",
		"SendSignal(KILL) EPERM",
		"SendSignalTo(Thread) EPERM",
		"SendSignalTo(ThreadGroup) EPERM",
		"SendSignalTo(ProcessGroup) EPERM",
		"Queue EPERM",
		"GetFD EPERM",
		"Namespace EACCES",
		"OpenThread <nil>",
		"ID <nil>",
		"Info <nil>",
		"Usage <nil>",
		"Alive <nil>",
		"Wait ECHILD",
		"Exited context canceled",
		"Reaped context canceled",
		"Terminate EPERM",
		"Terminate(0) EPERM",
	} {
		got := child.next(t)
		if name, unsupported := strings.CutSuffix(got, " unsupported"); unsupported {
			want = name + " unsupported" // the call's own test knows whether it may be
		}
		assert.Equal(t, want, got)
	}
	assert.Equal(t, "<nil> true true true", child.next(t))
	alive, err := p.Alive()
	assert.NoError(t, err)
	assert.True(t, alive)
}

// Every constructor refuses a PID that has no process, and none leaves a descriptor
// behind.
func TestConstructorsRefuse(t *testing.T) {
	dead := open(t, "exit 0")
	wait(t, dead)
	pids := map[string]int{
		"zero":      0,
		"negative":  -1,
		"minus own": -os.Getpid(),
		"least":     math.MinInt,
		"dead":      dead.PID(),
	}
	if strconv.IntSize == 64 {
		one := 1
		pids["most"] = math.MaxInt
		pids["own, cut to 32 bits"] = one<<32 + os.Getpid()
	}
	before := descriptors(t)
	for name, pid := range pids {
		for call, err := range map[string]error{
			"Open":       second(pidfd.Open(pid)),
			"OpenThread": second(pidfd.OpenThread(pid)),
		} {
			switch {
			case name != "dead":
				assert.ErrorIs(t, err, unix.EINVAL, "%s %s", call, name)
				assert.ErrorContains(t, err, strconv.Itoa(pid), call)
				assert.NotErrorIs(t, err, errors.ErrUnsupported, "%s %s", call, name)
			case !errors.Is(err, errors.ErrUnsupported):
				assert.ErrorIs(t, err, unix.ESRCH, call)
				assert.ErrorIs(t, err, os.ErrProcessDone, call)
			}
		}
	}
	assert.Equal(t, before, descriptors(t))
}

// No call that fails leaves a descriptor behind, in every state of the process.
func TestFailuresLeakNothing(t *testing.T) {
	running := open(t, "exec sleep 100")
	zombie := open(t, "exit 0")
	reaped := open(t, "exit 0")
	wait(t, reaped)
	closed := open(t, "exit 0")
	require.NoError(t, closed.Close())
	require.NoError(t, zombie.Exited(soon(t)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	all := map[string]*pidfd.PidFD{
		"running": running, "zombie": zombie, "reaped": reaped, "closed": closed, "zero": new(pidfd.PidFD),
	}
	_ = running.Exited(ctx) // opens the descriptors that waiting needs
	before := descriptors(t)
	for name, p := range all {
		for range 3 {
			for call, err := range map[string]error{
				"SendSignal(65)":       p.SendSignal(65),
				"SendSignalTo(scope)":  p.SendSignalTo(0, 99),
				"Queue(65)":            p.Queue(65, 1),
				"GetFD(-1)":            second(p.GetFD(-1)),
				"GetFD(closed)":        second(p.GetFD(1 << 20)),
				"Namespace(none)":      second(p.Namespace(0)),
				"WaitContext(nil)":     second(p.WaitContext(noContext)),
				"Exited(nil)":          p.Exited(noContext),
				"Reaped(nil)":          p.Reaped(noContext),
				"Terminate(nil)":       second(p.Terminate(noContext, 0)),
				"FromFD of the closed": second(pidfd.FromFD(closed.FD())),
				"OpenThread":           second(pidfd.OpenThread(math.MaxInt32)),
			} {
				assert.Error(t, err, "%s %s", name, call)
			}
		}
	}
	assert.Equal(t, before, descriptors(t))
}

func TestConstructorsWhenDescriptorsRunOut(t *testing.T) {
	p := open(t, "exec sleep 100")
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	socket := fd.New(pair[0])
	defer socket.Close()
	defer unix.Close(pair[1])
	conn, err := socket.SyscallConn()
	require.NoError(t, err)

	before := descriptors(t)
	withFree(t, 0, func() {
		for call, err := range map[string]error{
			"OpenThread": second(pidfd.OpenThread(p.PID())),
			"FromPeer":   second(pidfd.FromPeer(conn)),
			"Namespace":  second(p.Namespace(pidfd.NetNamespace)),
		} {
			if !errors.Is(err, errors.ErrUnsupported) {
				assert.ErrorIs(t, err, unix.EMFILE, call)
			}
		}
		if info, err := p.Info(); err == nil {
			assert.Equal(t, p.PID(), info.PID)
			assert.Nil(t, info.NSPIDs, "without fdinfo")
		} else {
			assert.ErrorIs(t, err, unix.EMFILE)
		}
	})
	assert.Equal(t, before, descriptors(t))
}
