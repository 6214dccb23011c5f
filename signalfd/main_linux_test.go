package signalfd_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/capture"
	"code.hybscloud.com/iofd/internal/sys/capture/capturetest"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

// The test binary is also the other processes of a test. roleVar in the environment
// names the role of such a process.
const roleVar = "SIGNALFD_TEST_ROLE"

// deadline ends a process in a role, because a process that has captured all signals
// may have no other end.
func deadline() time.Duration { return time.Duration(*factor) * 60 * time.Second }

func TestMain(m *testing.M) {
	name := os.Getenv(roleVar)
	if name == "" {
		// A signal that nohup(1) or a background job ignores is default in the tests.
		for sig := syscall.Signal(1); sig <= 64; sig++ {
			if signal.Ignored(sig) {
				if err := capturetest.SetDefault(sig); err != nil {
					panic(err)
				}
			}
		}
		systest.Main(m)
		return
	}
	flag.Parse()
	time.AfterFunc(deadline(), func() { os.Exit(99) })
	if err := roles()[name](); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func roles() map[string]func() error {
	return map[string]func() error{
		"sender": sendOnDemand,
		"exit3":  func() error { os.Exit(3); return nil },
		"wait":   waitForInput,
		"close":  closeThenWait,
		"direct": readDirect,
		"mixed":  captureMixed,

		"block":       blockAll,
		"burst":       readBurst,
		"kept":        tellKept,
		"environment": showEnvironment,
		"later":       blockLater,
		"notsticky":   blockNotified,
		"more":        blockMore,
		"pending":     keepPending,
		"blockable":   tellBlockable,

		"replacer": replaceHandlers,
		"compare":  compareRecords,
		"notify":   notifyAfterNew,
		"put back": putHandlerBack,
		"burn":     burn,
		"holder":   holdPipe,
		"storm":    rideStorm,
		"tracer":   trace,

		"noqueue":      readUnqueued,
		"unprivileged": startPrivileged,
		"reader":       readSecret,

		"starter":      startMany,
		"notpermitted": startNotPermitted,
		"nofiles":      startWithoutFileSize,
		"facts":        tellFacts,
		"foreground":   startForeground,
		"stopped":      startStopped,
		"swapped":      blockSwapped,
		"named":        blockNamed,
		"order":        blockInOrder,
		"large":        blockLarge,
		"hammered":     startHammered,
		"reaped":       startReaped,
		"children":     startAndRead,
	}
}

// self returns a command for another process in a role.
func self(t testing.TB, role string) *exec.Cmd {
	t.Helper()
	args := []string{os.Args[0], fmt.Sprint("-signalfd.factor=", *factor), fmt.Sprint("-test.short=", testing.Short())}
	if emulator := os.Getenv("KERNELS_EMU"); emulator != "" {
		args = append([]string{emulator}, args...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline())
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	// The race detector makes a process wait for a second at its end.
	cmd.Env = append(os.Environ(), roleVar+"="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// A process has a role, takes lines and answers lines.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	mu  sync.Mutex
}

func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(p.end)
	return p
}

func (p *process) end() {
	_ = p.in.Close()
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// line returns the next line of the process's answers.
func (p *process) line() string {
	p.t.Helper()
	s, err := p.out.ReadString('\n')
	require.NoError(p.t, err)
	return strings.TrimSpace(s)
}

// send has the sender send sig to pid, count times, plainly or by sigqueue(3)
// with ascending values from first.
func (p *process) send(how string, pid int, sig syscall.Signal, first, count int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintln(p.in, how, pid, int(sig), first, count); err != nil {
		return err
	}
	s, err := p.out.ReadString('\n')
	if err == nil && s != "sent\n" {
		err = fmt.Errorf("sender: %s", s)
	}
	return err
}

func (p *process) kill(pid int, sig syscall.Signal) error { return p.send("kill", pid, sig, 0, 1) }

func startSender(t testing.TB) *process {
	t.Helper()
	return start(t, self(t, "sender"))
}

func sendOnDemand() error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var how string
		var pid, sig, first, count int
		if _, err := fmt.Sscan(in.Text(), &how, &pid, &sig, &first, &count); err != nil {
			return err
		}
		for i := range count {
			var err error
			if how == "queue" {
				err = queue(pid, syscall.Signal(sig), first+i)
			} else {
				err = unix.Kill(pid, syscall.Signal(sig))
			}
			if err != nil {
				return err
			}
		}
		fmt.Println("sent")
	}
	return in.Err()
}

// queue is sigqueue(3), repeated while the receiver's queue is full.
func queue(pid int, sig syscall.Signal, value int) error {
	for {
		err := capturetest.Queue(pid, sig, value)
		if !errors.Is(err, unix.EAGAIN) {
			return err
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func waitForInput() error {
	fmt.Println("ready")
	_, err := os.Stdin.Read(make([]byte, 1))
	if err == io.EOF {
		return nil
	}
	return err
}

// closeThenWait captures the signal that the environment names, reads it once, closes,
// and waits. Then the signal's old meaning ends the process.
func closeThenWait() error {
	n, err := strconv.Atoi(os.Getenv("SIGNAL"))
	if err != nil {
		return err
	}
	sig := syscall.Signal(n)
	s, err := signalfd.New(signalfd.NewSet(sig))
	if err != nil {
		return err
	}
	if err := unix.Kill(os.Getpid(), sig); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := s.ReadContext(ctx); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	return waitForInput()
}

// hasAssembly reports whether the library has a handler for this port, and a program
// with which Start unblocks signals.
func hasAssembly() bool {
	return slices.Contains([]string{"amd64", "arm64", "riscv64", "loong64"}, runtime.GOARCH)
}

// needCapture skips the test on the ports that have no handler, and only there.
func needCapture(t testing.TB) {
	t.Helper()
	if !hasAssembly() {
		t.Skip("no handler for", runtime.GOARCH)
	}
	require.NoError(t, capture.Available())
}

// needStart skips the test where Start cannot unblock signals.
func needStart(t *testing.T) {
	t.Helper()
	needExec(t)
	if !hasAssembly() {
		t.Skip("no program for", runtime.GOARCH)
	}
}

func newFD(t testing.TB, sigs ...syscall.Signal) *signalfd.SignalFD {
	t.Helper()
	needCapture(t)
	s, err := signalfd.New(signalfd.NewSet(sigs...))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// next reads a signal, and fails the test if none comes.
func next(t testing.TB, s *signalfd.SignalFD) signalfd.Info {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	info, err := s.ReadContext(ctx)
	require.NoError(t, err)
	return info
}

// output runs cmd to its end.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.Output()
	require.NoError(t, err, string(out))
	return string(out)
}

// blockHere blocks sigs on this thread, which the caller has locked. Block would do so
// on all threads.
func blockHere(t *testing.T, sigs ...syscall.Signal) {
	t.Helper()
	var set, old unix.Sigset_t
	fill(&set, sigs...)
	runtime.LockOSThread()
	require.NoError(t, unix.PthreadSigmask(unix.SIG_BLOCK, &set, &old))
	t.Cleanup(func() {
		require.NoError(t, unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil))
		runtime.UnlockOSThread()
	})
}

// unchanged returns a function that fails the test if the action of sig has changed
// since.
func unchanged(t testing.TB, sig syscall.Signal) func() {
	t.Helper()
	before, err := capturetest.Action(sig)
	require.NoError(t, err)
	return func() {
		after, err := capturetest.Action(sig)
		assert.NoError(t, err)
		assert.Equal(t, before, after, "the handler of %v", sig)
	}
}

// statusSet returns a line of /proc/PID/status as a set.
func statusSet(status, name string) signalfd.Set {
	for line := range strings.Lines(status) {
		if mask, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			if err == nil {
				return signalfd.Set(n)
			}
		}
	}
	return 0
}

// childStatus starts a program and returns its signal masks, blocked and
// ignored.
func childStatus() (blocked, ignored signalfd.Set, err error) {
	out, err := exec.Command("grep", "^Sig", "/proc/self/status").Output()
	if err != nil {
		return 0, 0, err
	}
	return statusSet(string(out), "SigBlk"), statusSet(string(out), "SigIgn"), nil
}
