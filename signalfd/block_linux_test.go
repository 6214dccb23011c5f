package signalfd_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/capture/capturetest"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

// markerName is the variable that Block uses.
const markerName = "IOFD_SIGNALFD_BLOCKED"

// blockable are the signals that Block takes.
var blockable = signalfd.NewSet(
	unix.SIGUSR1, unix.SIGUSR2, unix.SIGPIPE, unix.SIGALRM, unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
	unix.SIGXCPU, unix.SIGXFSZ, unix.SIGVTALRM, unix.SIGWINCH, unix.SIGIO, unix.SIGPWR,
) | (1<<64 - 1<<34) // and 35 to 64

// startsVar names a file to which every start of the program adds a byte. A program
// that starts itself for ever is ended.
const startsVar = "SIGNALFD_TEST_STARTS"

const maxStarts = 20

func init() {
	if name := os.Getenv(startsVar); name != "" {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		_, _ = f.WriteString("x")
		starts, err := f.Stat()
		if err != nil || starts.Size() > maxStarts {
			os.Exit(98)
		}
		_ = f.Close()
	}
}

// needExec skips the test if a program cannot start itself: an emulator runs it, and
// the kernel cannot run a program for that processor.
func needExec(t *testing.T) {
	t.Helper()
	if systest.Emulated() {
		t.Skip("the kernel does not run programs for", runtime.GOARCH)
	}
}

// countStarts makes cmd count how often its program is started.
func countStarts(t *testing.T, cmd *exec.Cmd) (count func() int) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "starts")
	cmd.Env = append(cmd.Env, startsVar+"="+name)
	return func() int {
		starts, err := os.ReadFile(name)
		require.NoError(t, err)
		return len(starts)
	}
}

func TestBlock(t *testing.T) {
	needExec(t)
	cmd := self(t, "block")
	starts := countStarts(t, cmd)
	p := start(t, cmd)
	require.Equal(t, "ready", p.line())
	assert.Equal(t, 2, starts())
	from := startSender(t)
	for range long(20, 2) {
		for _, sig := range blockable.Signals() {
			require.NoError(t, from.kill(p.pid(), sig))
			require.Equal(t, signalfd.Info{Signal: sig, PID: from.pid(), UID: os.Getuid()}.String(), p.line())
			require.NoError(t, from.send("queue", p.pid(), sig, int(sig), 1))
			require.Equal(t, signalfd.Info{Signal: sig, Code: signalfd.CodeQueue, PID: from.pid(), UID: os.Getuid(), Int: int(sig)}.String(), p.line())
		}
	}
	require.NoError(t, p.in.Close())
	require.NoError(t, p.cmd.Wait())
}

func blockAll() error {
	if err := signalfd.Block(blockable); err != nil {
		return err
	}
	for _, again := range []signalfd.Set{blockable, 0, signalfd.NewSet(unix.SIGUSR1)} {
		if err := signalfd.Block(again); err != nil {
			return fmt.Errorf("again: %w", err)
		}
	}
	s, err := newDirect(blockable)
	if err != nil {
		return err
	}
	return printSignals(s)
}

// newDirect is New for signals for which New must return the kernel's signalfd.
func newDirect(set signalfd.Set) (*signalfd.SignalFD, error) {
	s, err := signalfd.New(set)
	if err != nil {
		return nil, err
	}
	object, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.Fd()))
	if err == nil && object != "anon_inode:[signalfd]" {
		err = fmt.Errorf("it is %s", object)
	}
	return s, err
}

// Real-time signals come in the order in which they were sent, by batches too.
func TestBlockBurst(t *testing.T) {
	needExec(t)
	const first = syscall.Signal(40)
	count := long(10000, 1000)
	cmd := self(t, "burst")
	cmd.Env = append(cmd.Env, fmt.Sprint("COUNT=", 3*count))
	p := start(t, cmd)
	require.Equal(t, "ready", p.line())
	from := startSender(t)
	for sig := first; sig < first+3; sig++ {
		require.NoError(t, from.send("queue", p.pid(), sig, 0, count))
	}
	assert.Equal(t, fmt.Sprintf("%d in order", 3*count), p.line())
	require.NoError(t, p.in.Close())
	require.NoError(t, p.cmd.Wait())
}

func readBurst() error {
	set := signalfd.NewSet(40, 41, 42)
	if err := signalfd.Block(set); err != nil {
		return err
	}
	s, err := newDirect(set)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(os.Getenv("COUNT"))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	next := make(map[syscall.Signal]int)
	infos := make([]signalfd.Info, 100)
	for got := 0; got < count; {
		n, err := fd.WaitRead(context.Background(), s.FD(), func() (int, error) { return s.ReadBatch(infos) })
		if err != nil {
			return err
		}
		for _, info := range infos[:n] {
			if info.Int != next[info.Signal] {
				return fmt.Errorf("%v after %d", info, next[info.Signal]-1)
			}
			next[info.Signal]++
		}
		got += n
	}
	fmt.Printf("%d in order\n", count)
	if dropped, replaced := s.Dropped(), s.Replaced(); dropped != 0 || replaced != 0 {
		return fmt.Errorf("dropped %d, replaced %v", dropped, replaced)
	}
	if err := waitForInput(); err != nil {
		return err
	}
	return s.Close()
}

// nicer calls do on a thread whose nice value is 7 more than that of the process.
func nicer(t *testing.T, do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()                                // the thread ends with the goroutine
		kernel, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the nice value
		if assert.NoError(t, err) && assert.NoError(t, unix.Setpriority(unix.PRIO_PROCESS, 0, 20-kernel+7)) {
			do()
		}
	}()
	<-done
	if t.Failed() {
		t.FailNow()
	}
}

// The attributes of the process stay, and so do its arguments and its environment.
func TestBlockKeeps(t *testing.T) {
	needExec(t)
	plain := self(t, "kept")
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `ulimit -c 5; ulimit -Sn 99; umask 027; exec "$@"`, "sh"}, plain.Args...)...)
	cmd.Args = append(cmd.Args, "an argument", "", "-x\nlast")
	cmd.Env = append(plain.Env, "KEPT=a value", markerName+"=1:ffffffffffffffff")
	cmd.Dir = dir
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	cmd.ExtraFiles = []*os.File{write}
	starts := countStarts(t, cmd)
	var p *process
	nicer(t, func() { p = start(t, cmd) })
	require.NoError(t, write.Close())
	said := func() string {
		line, err := strconv.Unquote(p.line())
		require.NoError(t, err)
		return line
	}
	args := append(slices.Clone(plain.Args), "an argument", "", "-x\nlast")
	assert.Equal(t, strings.Join(args, "\x00"), said())
	wd, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	assert.Equal(t, wd, said())
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the nice value
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("pid %d of %d, nice %d, umask 27, core 5, files 99", p.pid(), os.Getpid(), min(20-own+7, 19)), said())
	assert.Equal(t, "a value", said())
	require.Equal(t, "ready", p.line())
	assert.Equal(t, 2, starts())
	got, err := bufio.NewReader(read).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "inherited\n", got)
	require.NoError(t, p.in.Close())
	require.NoError(t, p.cmd.Wait())
}

func tellKept() error {
	if err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1)); err != nil {
		return err
	}
	// The runtime raises the limit, and gives children the one with which it began.
	files, err := exec.Command("sh", "-c", "ulimit -Sn").Output()
	if err != nil {
		return err
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return err
	}
	umask := unix.Umask(0)
	fmt.Printf("%q\n%q\n", strings.Join(os.Args, "\x00"), wd)
	fmt.Printf("%q\n", fmt.Sprintf("pid %d of %d, nice %d, umask %o, core %d, files %s", os.Getpid(), os.Getppid(), 20-nice, umask, core.Cur/512, bytes.TrimSpace(files)))
	fmt.Printf("%q\n", os.Getenv("KEPT"))
	inherited := os.NewFile(3, "inherited")
	if _, err := inherited.WriteString("inherited\n"); err != nil {
		return err
	}
	return waitForInput()
}

// The marker that Block uses for the restart is gone afterwards, from the environment
// of this process and of its children.
func TestBlockEnvironment(t *testing.T) {
	needExec(t)
	cmd := self(t, "environment")
	cmd.Env = append(cmd.Env, markerName+"=rubbish")
	assert.Equal(t, "clean\n", output(t, cmd))
}

func showEnvironment() error {
	for range 2 {
		if os.Getenv("BLOCKED") == "" {
			// A program that does not reach Block has a clean environment, too.
			os.Setenv("BLOCKED", "yes")
		} else if err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1)); err != nil {
			return err
		}
		ours := strings.Join(os.Environ(), "\x00")
		theirs, err := exec.Command("cat", "/proc/self/environ").Output()
		if err != nil {
			return err
		}
		for _, environ := range []string{ours, string(theirs)} {
			if strings.Contains(environ, markerName) {
				return errors.New(environ)
			}
			if !strings.Contains(environ, roleVar) {
				return fmt.Errorf("no environment: %q", environ)
			}
		}
	}
	fmt.Println("clean")
	return nil
}

// The program goes on although its file has been deleted or replaced meanwhile.
func TestBlockWithoutFile(t *testing.T) {
	needExec(t)
	for how, spoil := range map[string]func(string) error{
		"deleted": os.Remove,
		"replaced": func(name string) error {
			return errors.Join(os.Remove(name), os.WriteFile(name, []byte("#!/bin/false\n"), 0o700))
		},
		"renamed": func(name string) error { return os.Rename(name, name+" of old") },
	} {
		t.Run(how, func(t *testing.T) {
			name := copySelf(t)
			cmd := self(t, "later")
			cmd.Path, cmd.Args[0] = name, "argument zero"
			starts := countStarts(t, cmd)
			p := start(t, cmd)
			require.Equal(t, "ready", p.line())
			require.NoError(t, spoil(name))
			require.NoError(t, p.in.Close())
			for p.line() == "ready" {
			}
			require.NoError(t, p.cmd.Wait())
			assert.Equal(t, 2, starts())
		})
	}
}

// Block executes the file that runs, while another process gives its name to another
// file.
func TestBlockWhileFileIsSwapped(t *testing.T) {
	needExec(t)
	name := copySelf(t)
	impostor := name + "-impostor"
	require.NoError(t, os.WriteFile(impostor, []byte("#!/bin/sh\necho impostor\n"), 0o700))
	swap := func() error {
		return unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, impostor, unix.RENAME_EXCHANGE)
	}
	systest.Need(t, "RENAME_EXCHANGE", errors.Join(swap(), swap()))
	for range long(100, 10) {
		cmd := self(t, "swapped")
		cmd.Path = name
		p := start(t, cmd)
		require.Equal(t, "ready", p.line())
		said := ""
		func() {
			defer repeat(t, swap)()
			require.NoError(t, p.in.Close())
			if said = p.line(); said == "ready" {
				said = p.line()
			}
		}()
		require.Equal(t, "blocked", said)
		require.NoError(t, p.cmd.Wait())
	}
}

// repeat calls do in another goroutine, an even number of times, until stop is called.
// It returns when do has been called often.
func repeat(t *testing.T, do func() error) (stop func()) {
	t.Helper()
	often, end, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		var err error
		for calls := 0; err == nil; calls++ {
			if calls == 100 {
				close(often)
			}
			select {
			case <-end:
				ended <- nil
				return
			default:
				err = errors.Join(do(), do())
			}
		}
		ended <- err
	}()
	select {
	case <-often:
	case err := <-ended:
		require.NoError(t, err)
	}
	return func() {
		close(end)
		assert.NoError(t, <-ended)
	}
}

func blockSwapped() error {
	if err := waitForInput(); err != nil {
		return err
	}
	if err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1)); err != nil {
		return err
	}
	fmt.Println("blocked")
	return nil
}

// The threads keep their name, the one from the program's file or another.
func TestBlockKeepsName(t *testing.T) {
	needExec(t)
	for _, name := range []string{"", "a: näme", "exe"} {
		cmd := self(t, "named")
		cmd.Path = copySelf(t)
		cmd.Env = append(cmd.Env, "NAME="+name)
		if name == "" {
			name = "program"
		}
		assert.Equal(t, fmt.Sprintf("process %q, other threads []\n", name), output(t, cmd))
	}
}

func blockNamed() error {
	const comm = "/proc/self/comm"
	if name := os.Getenv("NAME"); name != "" {
		if err := os.WriteFile(comm, []byte(name), 0); err != nil {
			return err
		}
		os.Setenv("NAME", "")
	}
	os.Setenv(markerName, "1:0:rubbish") // the last one counts
	if err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1)); err != nil {
		return err
	}
	name, err := os.ReadFile(comm)
	if err != nil {
		return err
	}
	threads, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil {
		return err
	}
	others := []string{}
	for _, thread := range threads {
		if other, err := os.ReadFile(thread); err == nil && !bytes.Equal(other, name) {
			others = append(others, string(other))
		}
	}
	fmt.Printf("process %q, other threads %q\n", bytes.TrimSuffix(name, []byte("\n")), others)
	return nil
}

// The variables of the environment keep their order.
func TestBlockKeepsEnvironment(t *testing.T) {
	needExec(t)
	cmd := self(t, "order")
	cmd.Env = append(cmd.Env, "B=1", "A=2", "=3", "C=", "D")
	lines := strings.Split(output(t, cmd), "\n")
	require.Len(t, lines, 3)
	assert.Equal(t, lines[0], lines[1])
	assert.Contains(t, lines[0], `"B=1" "A=2" "=3" "C=" "D"`)
}

func blockInOrder() error {
	fmt.Printf("%q\n", os.Environ())
	return signalfd.Block(signalfd.NewSet(unix.SIGUSR1))
}

// If the environment leaves no room for the marker, Block changes nothing.
func TestBlockLargeEnvironment(t *testing.T) {
	needExec(t)
	cmd := self(t, "large")
	sh := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `ulimit -Sn 99; exec "$@"`, "sh"}, cmd.Args...)...)
	sh.Env = cmd.Env
	assert.Equal(t, "execve /proc/self/exe: argument list too long, blocked {}, limit kept true\n", output(t, sh))
}

func blockLarge() error {
	environ := os.Environ()
	for n := range 128 {
		os.Setenv(fmt.Sprint("LARGE", n), strings.Repeat("x", 100000))
	}
	var before, after unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		return err
	}
	failed := signalfd.Block(signalfd.NewSet(unix.SIGUSR1))
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &after); err != nil {
		return err
	}
	os.Clearenv()
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		os.Setenv(name, value)
	}
	blocked, _, err := childStatus()
	fmt.Printf("%v, blocked %v, limit kept %v\n", failed, blocked, before == after && before.Cur > 99)
	return err
}

// In a shared library or a plugin, Block refuses to execute the program of the process.
func TestBlockInLibrary(t *testing.T) {
	needExec(t)
	_, err := exec.LookPath("gcc")
	systest.Need(t, "gcc", err)
	if out, err := exec.Command("go", "list", "./testdata/host", "./testdata/library").CombinedOutput(); err != nil {
		t.Skipf("needs the go command, its cache and the source: %v: %s", err, out)
	}
	dir := t.TempDir()
	build := func(args ...string) {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	library, plugin := filepath.Join(dir, "library.so"), filepath.Join(dir, "plugin.so")
	host, goHost := filepath.Join(dir, "host"), filepath.Join(dir, "gohost")
	build("go", "build", "-buildmode=c-shared", "-o", library, "./testdata/library")
	build("gcc", "-o", host, "testdata/host.c", library)
	build("go", "build", "-buildmode=plugin", "-o", plugin, "./testdata/library")
	build("go", "build", "-o", goHost, "./testdata/host")
	for _, test := range [][]string{{host, library}, {goHost, plugin}} {
		cmd := exec.CommandContext(t.Context(), test[0], test[1])
		out := output(t, cmd)
		assert.Contains(t, out, "Block: the process runs ")
		assert.Contains(t, out, test[0]+`", and this code is in "`)
		assert.Contains(t, out, test[1]+`": operation not supported`)
		assert.Contains(t, out, "unsupported true\n")
	}
}

// If execve fails, the program stays as it was.
func TestBlockNotExecutable(t *testing.T) {
	needExec(t)
	name := copySelf(t)
	cmd := self(t, "later")
	cmd.Path = name
	starts := countStarts(t, cmd)
	p := start(t, cmd)
	require.Equal(t, "ready", p.line())
	require.NoError(t, os.Chmod(name, 0o600))
	require.NoError(t, p.in.Close())
	assert.Equal(t, "refused: execve /proc/self/exe: permission denied, blocked {}", p.line())
	require.NoError(t, p.cmd.Wait())
	assert.Equal(t, 1, starts())
}

// blockLater waits before it blocks.
func blockLater() error {
	if err := waitForInput(); err != nil {
		return err
	}
	err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1))
	var path *fs.PathError
	if errors.As(err, &path) && errors.Is(err, fs.ErrPermission) {
		blocked, _, err := childStatus()
		fmt.Printf("refused: %v, blocked %v\n", path, blocked)
		return err
	}
	if err != nil {
		return err
	}
	if os.Args[0] != "argument zero" {
		return fmt.Errorf("called %q", os.Args[0])
	}
	fmt.Println("blocked")
	return nil
}

func copySelf(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "program")
	from, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, exec.Command("cp", from, to).Run())
	return to
}

// In the process itself, Block refuses arguments that cannot be passed on. Then it
// blocks nothing.
func TestBlockArguments(t *testing.T) {
	args := os.Args
	defer func() { os.Args = args }()
	os.Args = append(slices.Clone(args), "a\x00b")
	err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1))
	var path *fs.PathError
	require.ErrorAs(t, err, &path)
	assert.Equal(t, "execve", path.Op)
	require.ErrorIs(t, err, unix.EINVAL)
	blocked, _, err := childStatus()
	require.NoError(t, err)
	assert.Empty(t, blocked)
}

// If the new program unblocks a signal too, Block does not try for ever.
func TestBlockNotSticky(t *testing.T) {
	needExec(t)
	cmd := self(t, "notsticky")
	starts := countStarts(t, cmd)
	assert.Equal(t, signalfd.ErrNotSticky.Error()+": {SIGUSR1}\n", output(t, cmd))
	assert.Equal(t, 4, starts())
}

func blockNotified() error {
	signal.Notify(make(chan os.Signal, 1), unix.SIGUSR1, unix.SIGUSR2)
	if err := signalfd.Block(signalfd.NewSet(40)); err != nil {
		return err
	}
	for range 2 {
		err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1, 41))
		if !errors.Is(err, signalfd.ErrNotSticky) {
			return fmt.Errorf("Block: %w", err)
		}
		if err = signalfd.Block(signalfd.NewSet(40, 41)); err != nil {
			return err
		}
		if err = signalfd.Block(signalfd.NewSet(unix.SIGUSR2)); !errors.Is(err, signalfd.ErrNotSticky) {
			return fmt.Errorf("Block of another: %w", err)
		}
	}
	fmt.Println(signalfd.Block(signalfd.NewSet(unix.SIGUSR1)))
	return nil
}

// A signal that one Block has blocked stays blocked at the next.
func TestBlockMore(t *testing.T) {
	needExec(t)
	cmd := self(t, "more")
	starts := countStarts(t, cmd)
	assert.Equal(t, "{SIGUSR1 40 64}\n", output(t, cmd))
	assert.Equal(t, 4, starts())
}

func blockMore() error {
	for _, sig := range []syscall.Signal{unix.SIGUSR1, 40, 64} {
		if err := signalfd.Block(signalfd.NewSet(sig)); err != nil {
			return err
		}
	}
	blocked, _, err := childStatus()
	fmt.Println(blocked)
	return err
}

// A signal that was sent before the program started anew is not lost if it was blocked
// already.
func TestBlockKeepsPending(t *testing.T) {
	needExec(t)
	p := start(t, self(t, "pending"))
	require.Equal(t, "SIGUSR1 SI_QUEUE pid "+fmt.Sprint(p.pid())+" uid "+fmt.Sprint(os.Getuid())+" int 7", p.line())
	require.NoError(t, p.cmd.Wait())
}

func keepPending() error {
	usr1 := signalfd.NewSet(unix.SIGUSR1)
	if err := signalfd.Block(usr1); err != nil {
		return err
	}
	if os.Getenv("QUEUED") == "" {
		os.Setenv("QUEUED", "yes")
		if err := capturetest.Queue(os.Getpid(), unix.SIGUSR1, 7); err != nil {
			return err
		}
	}
	if err := signalfd.Block(signalfd.NewSet(40)); err != nil {
		return err
	}
	s, err := newDirect(usr1)
	if err != nil {
		return err
	}
	info, err := s.Read()
	fmt.Println(info)
	return errors.Join(err, s.Close())
}

// The table of signals that the runtime lets Block block is correct, in a program that
// began with every signal blocked.
func TestBlockable(t *testing.T) {
	needExec(t) // and an emulator keeps signals for itself
	var all, old unix.Sigset_t
	for sig := unix.Signal(1); sig <= 64; sig++ {
		fill(&all, sig)
	}
	cmd := self(t, "blockable")
	runtime.LockOSThread()
	require.NoError(t, unix.PthreadSigmask(unix.SIG_BLOCK, &all, &old))
	p := start(t, cmd)
	require.NoError(t, unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil))
	runtime.UnlockOSThread()
	out, err := io.ReadAll(p.out)
	require.NoError(t, err)
	require.NoError(t, p.cmd.Wait(), string(out))
	assert.Equal(t, blockable.String()+"\n", string(out))
}

func tellBlockable() error {
	blocked, _, err := childStatus()
	if err != nil {
		return err
	}
	var can signalfd.Set
	for _, sig := range (^signalfd.Set(0)).Signals() {
		err := signalfd.Block(signalfd.NewSet(sig))
		var no *signalfd.UnblockableError
		switch {
		case err == nil:
			can.Add(sig)
		case !errors.As(err, &no) || no.Signals != signalfd.NewSet(sig):
			return err
		}
	}
	// GODEBUG=asyncpreemptoff=1 makes the runtime work without SIGURG.
	blocked.Del(unix.SIGURG)
	if can != blocked {
		return fmt.Errorf("Block says %v, the runtime blocks %v", can, blocked)
	}
	fmt.Println(can)
	return nil
}

func TestBlockRefuses(t *testing.T) {
	for _, test := range []struct {
		set, bad signalfd.Set
		says     string
	}{
		{signalfd.NewSet(unix.SIGTERM), signalfd.NewSet(unix.SIGTERM), "{SIGTERM} cannot be blocked in every thread of a Go program; New reads them without"},
		{signalfd.NewSet(unix.SIGHUP, unix.SIGUSR1, 34), signalfd.NewSet(unix.SIGHUP, 34), "{SIGHUP 34}"},
		{signalfd.NewSet(unix.SIGKILL, unix.SIGUSR1), signalfd.NewSet(unix.SIGKILL), "not the program's"},
		{^signalfd.Set(0), ^blockable, "SIGSTOP"},
	} {
		err := signalfd.Block(test.set)
		var no *signalfd.UnblockableError
		require.ErrorAs(t, err, &no)
		assert.Equal(t, test.bad, no.Signals)
		assert.ErrorIs(t, err, unix.EINVAL)
		assert.ErrorContains(t, err, test.says)
	}
	assert.NoError(t, signalfd.Block(0))
	assert.NoError(t, signalfd.Block(signalfd.NewSet(0, 65, -1)), "numbers that are no signals are not in the set")
}

// If a test calls Block, the test binary starts itself anew, with its flags.
func TestBlockInTest(t *testing.T) {
	needExec(t)
	const name = "TestBlockInTest"
	if systest.IsChild(name) {
		require.NoError(t, signalfd.Block(signalfd.NewSet(40)))
		s, err := newDirect(signalfd.NewSet(40))
		require.NoError(t, err)
		require.NoError(t, capturetest.Queue(os.Getpid(), 40, 3))
		info, err := s.Read()
		require.NoError(t, err)
		assert.Equal(t, 3, info.Int)
		require.NoError(t, s.Close())
		fmt.Println("blocked and read")
		return
	}
	cmd := systest.Child(t, name)
	starts := countStarts(t, cmd)
	begun := time.Now()
	assert.Contains(t, output(t, cmd), "blocked and read\n")
	assert.Equal(t, 2, starts())
	t.Log(time.Since(begun))
}
