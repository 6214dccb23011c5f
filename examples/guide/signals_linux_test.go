//go:build amd64 || arm64 || riscv64 || loong64

package guide_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
)

// Stopping on a signal, with the standard library.
func Example_notify() {
	work := func(ctx context.Context) {
		_ = unix.Kill(os.Getpid(), unix.SIGTERM) // as somebody may
		<-ctx.Done()
	}

	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	work(ctx)
	fmt.Println("stopped:", ctx.Err())
	// Output: stopped: context canceled
}

// serve acts on each signal, and prints which process sent it.
func serve(ctx context.Context, s *signalfd.SignalFD) error {
	for info, err := range s.All(ctx) {
		if err != nil {
			return err
		}
		switch info.Signal {
		case unix.SIGTERM:
			fmt.Println("told to end by process", info.PID == os.Getpid())
			return nil
		case sigLevel:
			fmt.Println("level", info.Int)
		}
	}
	return nil
}

const sigLevel = unix.SIGUSR1 // or one from 34 up, where each is to count

func Example_serve() {
	s, err := signalfd.New(signalfd.NewSet(unix.SIGTERM, sigLevel))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close() // signals have their old meaning again

	go func() { // somebody else
		p, err := pidfd.Self()
		if err != nil {
			log.Fatal(err)
		}
		defer p.Close()
		_ = p.Queue(sigLevel, 3)
		time.Sleep(10 * time.Millisecond) // captured signals may overtake each other
		_ = p.SendSignal(unix.SIGTERM)
	}()
	fmt.Println(serve(context.Background(), s))
	// Output:
	// level 3
	// told to end by process true
	// <nil>
}

// daemon reads commands in the order in which they were sent, and starts
// children that have nothing blocked.
func daemon() error {
	set := signalfd.NewSet(40, 41)
	if err := signalfd.Block(set); err != nil { // first: this starts the program anew
		return err
	}
	s, err := signalfd.New(set)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		info, err := s.ReadContext(context.Background())
		if err != nil || info.Signal == 41 {
			return err
		}
		cmd := exec.Command("grep", "SigBlk", "/proc/self/status")
		cmd.Stdout = os.Stdout
		if err := signalfd.Start(cmd); err != nil { // not cmd.Start
			return err
		}
		if err := cmd.Wait(); err != nil {
			return err
		}
		fmt.Println("command", info.Int)
	}
}

func TestDaemon(t *testing.T) {
	if systest.IsChild("TestDaemon") {
		require.NoError(t, daemon())
		return
	}
	systest.NotEmulated(t, "a program under an emulator cannot start itself")
	cmd := systest.Child(t, "TestDaemon")
	out := new(strings.Builder)
	cmd.Stdout = out
	p, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer p.Close()
	listens := func() bool {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.PID()))
		return slices.ContainsFunc(links, func(link string) bool {
			object, _ := os.Readlink(link)
			return object == "anon_inode:[signalfd]"
		})
	}
	require.Eventually(t, listens, 30*time.Second, time.Millisecond)
	for i := range 3 {
		require.NoError(t, p.Queue(40, i))
	}
	require.NoError(t, p.Queue(41, 0))
	require.NoError(t, cmd.Wait())
	clean := "SigBlk:\t" + strings.Repeat("0", 16) + "\n"
	assert.Contains(t, out.String(), clean+"command 0\n"+clean+"command 1\n"+clean+"command 2\n")
}

// respectful leaves signals alone that this program was started to ignore.
func respectful(sigs ...syscall.Signal) signalfd.Set {
	var set signalfd.Set
	for _, sig := range sigs {
		if !signal.Ignored(sig) {
			set.Add(sig)
		}
	}
	return set
}

func TestRespectful(t *testing.T) {
	if systest.IsChild("TestRespectful") {
		fmt.Println(respectful(unix.SIGHUP, unix.SIGTERM))
		return
	}
	cmd := systest.Child(t, "TestRespectful")
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh"}, cmd.Args...)
	path, err := exec.LookPath("sh")
	require.NoError(t, err)
	cmd.Path = path
	out, err := cmd.Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "{SIGTERM}")
}

// job does what a terminal's user expects of a program that reads its signals.
func job(info signalfd.Info) error {
	switch info.Signal {
	case unix.SIGTSTP: // Ctrl-Z: give the terminal back as it was, and stop
		return unix.Kill(os.Getpid(), unix.SIGSTOP)
	case unix.SIGCONT: // fg: take the terminal again
	case unix.SIGQUIT: // Ctrl-\: what Go does by itself
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		os.Exit(2)
	}
	return nil
}

func TestJob(t *testing.T) {
	if systest.IsChild("TestJob") {
		s, err := signalfd.New(signalfd.NewSet(unix.SIGTSTP, unix.SIGCONT, unix.SIGQUIT))
		require.NoError(t, err)
		fmt.Fprintln(os.Stderr, "ready")
		for {
			info, err := s.ReadContext(context.Background())
			require.NoError(t, err)
			require.NoError(t, job(info))
		}
	}
	cmd := systest.Child(t, "TestJob")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line := make([]byte, len("ready\n"))
	_, err = stderr.Read(line)
	require.NoError(t, err)
	require.Equal(t, "ready\n", string(line))

	require.NoError(t, cmd.Process.Signal(unix.SIGTSTP))
	var status unix.WaitStatus
	_, err = unix.Wait4(cmd.Process.Pid, &status, unix.WUNTRACED, nil)
	require.NoError(t, err)
	assert.True(t, status.Stopped())
	require.NoError(t, cmd.Process.Signal(unix.SIGCONT))
	require.NoError(t, cmd.Process.Signal(unix.SIGQUIT))
	dump := new(strings.Builder)
	buf := make([]byte, 1<<16)
	for err == nil {
		var n int
		n, err = stderr.Read(buf)
		dump.Write(buf[:n])
	}
	assert.Contains(t, dump.String(), "goroutine 1 [")
	require.Error(t, cmd.Wait())
	assert.Equal(t, 2, cmd.ProcessState.ExitCode())
}

// A worker is a child, and the result of the wait for it.
type worker struct {
	cmd    *exec.Cmd
	status *pidfd.ExitStatus
	err    error
}

// supervise runs commands, and ends them all when ctx does.
func supervise(ctx context.Context, cmds ...*exec.Cmd) []worker {
	workers := make([]worker, len(cmds))
	var all sync.WaitGroup
	for i, cmd := range cmds {
		w := &workers[i]
		w.cmd = cmd
		all.Go(func() {
			p, err := pidfd.Start(cmd)
			if err != nil {
				w.err = err
				return
			}
			defer p.Close()
			if w.status, w.err = p.WaitContext(ctx); w.err != nil {
				w.status, _ = p.Terminate(context.Background(), 5*time.Second) // TERM, then KILL
			}
			_ = cmd.Wait() // reaps it, and it alone
		})
	}
	all.Wait()
	return workers
}

func Example_supervise() {
	for _, w := range supervise(context.Background(),
		exec.Command("sh", "-c", "exit 3"),
		exec.Command("sh", "-c", "kill -TERM $$"),
	) {
		fmt.Println(w.cmd.Args[2], "→", w.status, w.err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	late := supervise(ctx, exec.Command("sleep", "100"))[0]
	fmt.Println("sleep →", late.status, late.err)
	// Output:
	// exit 3 → exit status 3 <nil>
	// kill -TERM $$ → signal: terminated <nil>
	// sleep → signal: terminated context deadline exceeded
}

// orphans reaps what was handed to us, as PID 1 or a subreaper, when SIGCHLD has
// come. It stops at a child for which an exec.Cmd waits.
func orphans(theirs func(pid int) bool) {
	for {
		p, err := pidfd.OpenEnded()
		if err != nil {
			return // fd.ErrWouldBlock, or there are no children
		}
		mine := !theirs(p.PID())
		if mine {
			_, err = p.Wait()
		}
		_ = p.Close()
		if !mine || err != nil {
			return
		}
	}
}

func TestOrphans(t *testing.T) {
	cmd := exec.Command("true")
	require.NoError(t, cmd.Start())
	p, err := pidfd.Open(cmd.Process.Pid)
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.Exited(context.Background()))

	orphans(func(pid int) bool { return pid == cmd.Process.Pid })
	alive, err := p.Alive()
	require.NoError(t, err)
	require.False(t, alive)
	require.NoError(t, p.SendSignal(0), "it was reaped")

	orphans(func(int) bool { return false })
	require.ErrorIs(t, p.SendSignal(0), os.ErrProcessDone)
	require.NoError(t, cmd.Process.Release())
}

// Package os handles SIGPIPE although a SignalFD has captured the signal.
func TestBrokenOutput(t *testing.T) {
	if systest.IsChild("TestBrokenOutput") {
		s, err := signalfd.New(signalfd.NewSet(unix.SIGPIPE))
		require.NoError(t, err)
		defer s.Close()
		if os.Getenv("GUIDE_NOTIFY") != "" {
			signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
		}
		_, err = os.Stdout.WriteString("x")
		if errors.Is(err, unix.EPIPE) {
			os.Exit(3)
		}
		os.Exit(4)
	}
	for _, notify := range []string{"", "1"} {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, r.Close())
		cmd := systest.Child(t, "TestBrokenOutput")
		cmd.Args = cmd.Args[:len(cmd.Args)-1] // not -test.v, which writes first
		cmd.Env = append(cmd.Env, "GUIDE_NOTIFY="+notify)
		cmd.Stdout = w
		require.Error(t, cmd.Run())
		require.NoError(t, w.Close())
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if notify == "" {
			assert.Equal(t, unix.SIGPIPE, status.Signal())
		} else {
			assert.Equal(t, 3, status.ExitStatus())
		}
	}
}
