package signalfd_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

// tellFacts prints everything about this process that its parent decides.
func tellFacts() error {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(text))
	}
	wd, _ := os.Getwd()
	exe, _ := os.Readlink("/proc/self/exe")
	groups, _ := os.Getgroups()
	session, _ := unix.Getsid(0)
	dies, _ := unix.PrctlRetInt(unix.PR_GET_PDEATHSIG, 0, 0, 0, 0)
	fmt.Printf("name %q exe %q directory %q\n", read("/proc/self/comm"), exe, wd)
	fmt.Printf("arguments %q\nenvironment %x\n", os.Args, sha256.Sum256([]byte(strings.Join(os.Environ(), "\x00"))))
	fmt.Println("user", os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid(), groups)
	fmt.Println("group", unix.Getpgrp() == os.Getpid(), "session", session == os.Getpid(), "first", os.Getpid() == 1)
	fmt.Println("cgroup", strings.Contains(read("/proc/self/cgroup"), "signalfd"), "death", dies)
	if tty, err := os.Open("/dev/tty"); err == nil {
		foreground, err := unix.IoctlGetUint32(int(tty.Fd()), unix.TIOCGPGRP)
		fmt.Println("terminal", int(foreground) == unix.Getpgrp(), err)
		_ = tty.Close()
	}
	// The runtime blocks all signals in a thread while that thread makes another one.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for line := range strings.Lines(read("/proc/thread-self/status")) {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "SigPnd", "ShdPnd":
			// Not SIGURG, by which the runtime interrupts its own threads.
			pending, _ := strconv.ParseUint(strings.TrimSpace(line[len(name)+1:]), 16, 64)
			fmt.Printf("%s %x\n", name, pending&^(1<<(unix.SIGURG-1)))
		case "SigBlk", "SigIgn", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "TracerPid":
			fmt.Print(line)
		}
	}
	for _, space := range []string{"mnt", "pid", "user"} {
		own, _ := os.Readlink("/proc/self/ns/" + space)
		fmt.Println(space, own == os.Getenv("NS_"+space))
	}
	for number := range 64 {
		// The runtime has opened descriptors, too, close-on-exec.
		if flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0); err == nil && flags == 0 {
			file, _ := os.Readlink(fmt.Sprint("/proc/self/fd/", number))
			kind, _, _ := strings.Cut(file, ":")
			fmt.Println("descriptor", number, strings.TrimRight(kind, "0123456789"))
		}
	}
	in, _ := io.ReadAll(os.Stdin)
	fmt.Printf("input %q\n", in)
	return nil
}

// program returns a copy of the test binary that every user can execute.
func program(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "signalfd")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	name := filepath.Join(dir, "program")
	from, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, exec.Command("cp", from, name).Run())
	require.NoError(t, os.Chmod(name, 0o755))
	return name
}

// A result is everything that the caller of a start sees.
type result struct {
	Start, Wait string
	Facts       string
	NotStarted  bool // Process and ProcessState are nil
	PidFD       bool // is open
}

// run starts a command to its end.
func run(t *testing.T, cmd *exec.Cmd, start func(*exec.Cmd) error) result {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	path, attr, files, in := cmd.Path, cmd.SysProcAttr, len(cmd.ExtraFiles), cmd.Stdin
	pidfd := -1
	if attr != nil && attr.PidFD != nil {
		attr.PidFD = &pidfd
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	require.NoError(t, err)
	err = start(cmd)
	r := result{NotStarted: cmd.Process == nil && cmd.ProcessState == nil, PidFD: pidfd >= 0}
	if err != nil {
		r.Start = fmt.Sprintf("%T %v", err, err)
		assert.Equal(t, pidfd, -1)
	}
	if pidfd >= 0 {
		assert.NoError(t, unix.PidfdSendSignal(pidfd, 0, nil, 0))
		assert.NoError(t, unix.Close(pidfd))
	}
	if err := cmd.Wait(); err != nil {
		r.Wait = err.Error()
	}
	if dumpable == 1 { // see systest.TryUser
		require.NoError(t, unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0))
	}
	r.Facts = out.String()
	assert.Equal(t, path, cmd.Path)
	assert.Same(t, attr, cmd.SysProcAttr)
	assert.Len(t, cmd.ExtraFiles, files)
	assert.Equal(t, in, cmd.Stdin)
	return r
}

// compare runs the command that make returns by cmd.Start, and by Start with signals
// blocked. It returns what cmd.Start does, and requires the same of Start.
func compare(t *testing.T, make func(t *testing.T) *exec.Cmd) result {
	t.Helper()
	want := run(t, make(t), (*exec.Cmd).Start)
	got := run(t, make(t), func(cmd *exec.Cmd) error { return startBlockedHere(t, cmd) })
	require.Equal(t, want, got)
	return want
}

// startBlockedHere is Start on a thread that has signals blocked.
func startBlockedHere(t *testing.T, cmd *exec.Cmd) error {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var set, old unix.Sigset_t
	fill(&set, unix.SIGUSR1, unix.SIGTERM, 40)
	require.NoError(t, unix.PthreadSigmask(unix.SIG_BLOCK, &set, &old))
	err := signalfd.Start(cmd)
	require.NoError(t, unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil))
	return err
}

// A child from Start is the same as one from cmd.Start.
func TestStartEqualsCmdStart(t *testing.T) {
	needStart(t)
	// cmd.Start loses descriptors that it inherits, go.dev/issue/66654.
	for number := range systest.OpenDescriptors() {
		if number > 2 {
			unix.CloseOnExec(number)
		}
	}
	name := program(t)
	t.Setenv(roleVar, "facts")
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	for _, space := range []string{"mnt", "pid", "user"} {
		own, err := os.Readlink("/proc/self/ns/" + space)
		require.NoError(t, err)
		t.Setenv("NS_"+space, own)
	}
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	with := func(attr *syscall.SysProcAttr) func(*testing.T) *exec.Cmd {
		return func(*testing.T) *exec.Cmd {
			cmd := exec.Command(name, "one", "")
			cmd.SysProcAttr = attr
			return cmd
		}
	}
	needs := func(attr *syscall.SysProcAttr) func(*testing.T) *exec.Cmd {
		return func(t *testing.T) *exec.Cmd {
			// Package syscall leaks the pipe that it makes for mappings if clone(2) fails.
			plain := *attr
			plain.UidMappings, plain.GidMappings = nil, nil
			var err error
			for _, attr := range []*syscall.SysProcAttr{&plain, attr} {
				probe := exec.Command("true")
				probe.SysProcAttr = attr
				if err = probe.Run(); err != nil {
					break
				}
			}
			if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EUSERS) {
				err = unix.EPERM // the kernel has none of the kind, or the root directory is not a mount
			}
			systest.Need(t, "namespaces and users", err)
			return with(attr)(t)
		}
	}
	cgroup := func(t *testing.T) *exec.Cmd {
		// With version 1 there may be one of version 2, too.
		dir, err := os.MkdirTemp("/sys/fs/cgroup/unified", "signalfd")
		if err != nil {
			dir, err = os.MkdirTemp("/sys/fs/cgroup", "signalfd")
		}
		systest.Need(t, "a cgroup", err)
		t.Cleanup(func() { _ = os.Remove(dir) })
		group, err := os.Open(dir)
		require.NoError(t, err)
		t.Cleanup(func() { _ = group.Close() })
		attr := &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
		probe := exec.Command("true")
		probe.SysProcAttr = attr
		if err = probe.Run(); errors.Is(err, unix.EBADF) {
			err = unix.ENODEV // cgroups of version 1
		}
		systest.Need(t, "a cgroup for a child", err)
		return with(attr)(t)
	}
	terminal := func(attr syscall.SysProcAttr) func(*testing.T) *exec.Cmd {
		return func(t *testing.T) *exec.Cmd {
			master, slave := systest.OpenTerminal(t)
			t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
			cmd := with(&attr)(t)
			cmd.ExtraFiles = []*os.File{nil, slave}
			return cmd
		}
	}
	for what, make := range map[string]func(*testing.T) *exec.Cmd{
		"plain": with(nil),
		"no arguments, a directory": func(*testing.T) *exec.Cmd {
			return &exec.Cmd{Path: name, Dir: "/usr"}
		},
		"a relative path in a directory": func(*testing.T) *exec.Cmd {
			return &exec.Cmd{Path: "./program", Args: []string{"zero", "one"}, Dir: filepath.Dir(name)}
		},
		"another environment": func(*testing.T) *exec.Cmd {
			cmd := exec.Command(name)
			cmd.Env = []string{"A=1", roleVar + "=facts", "A=2", "=", "B"}
			return cmd
		},
		"input that is copied": func(*testing.T) *exec.Cmd {
			cmd := exec.Command(name)
			cmd.Stdin = strings.NewReader("hello")
			return cmd
		},
		"input from a reader": func(*testing.T) *exec.Cmd {
			cmd := exec.Command(name)
			cmd.Stdin = io.MultiReader(strings.NewReader("hel"), strings.NewReader("lo"))
			return cmd
		},
		"a context": func(t *testing.T) *exec.Cmd {
			cmd := exec.CommandContext(t.Context(), name)
			cmd.WaitDelay = 1 << 40
			return cmd
		},
		"extra files": func(*testing.T) *exec.Cmd {
			cmd := exec.Command(name)
			cmd.ExtraFiles = []*os.File{nil, null, nil, null, nil}
			return cmd
		},
		"a file in an extra file": func(t *testing.T) *exec.Cmd {
			file, err := os.Open(name)
			require.NoError(t, err)
			t.Cleanup(func() { _ = file.Close() })
			return &exec.Cmd{Path: "/proc/self/fd/4", Args: []string{"zero"}, ExtraFiles: []*os.File{null, file}}
		},
		"cgroup":                       cgroup,
		"pidfd":                        with(&syscall.SysProcAttr{PidFD: new(int)}),
		"own group":                    with(&syscall.SysProcAttr{Setpgid: true}),
		"own session":                  with(&syscall.SysProcAttr{Setsid: true}),
		"death signal":                 with(&syscall.SysProcAttr{Pdeathsig: unix.SIGUSR2}),
		"terminal":                     terminal(syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 4}),
		"a terminal that is not there": terminal(syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 5}),
		"another user":                 needs(&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65533, Groups: []uint32{7, 8}}}),
		"ambient capability":           needs(&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: []uintptr{unix.CAP_NET_BIND_SERVICE}}),
		"mount namespace":              needs(&syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}),
		"PID namespace":                needs(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}),
		"user namespace":               needs(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}),
		"user namespace, root": needs(&syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		}),
	} {
		t.Run(what, func(t *testing.T) {
			r := compare(t, make)
			assert.Equal(t, r.Start == "", strings.Contains(r.Facts, "SigBlk:\t0000000000000000\n"), r)
		})
	}
}

// A descriptor without close-on-exec stays in the child, whatever its number is.
func TestStartKeepsInherited(t *testing.T) {
	needStart(t)
	name := program(t)
	t.Setenv(roleVar, "facts")
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	defer write.Close()
	number, err := unix.Dup(int(read.Fd())) // without close-on-exec
	require.NoError(t, err)
	defer unix.Close(number)
	r := compare(t, func(*testing.T) *exec.Cmd {
		return &exec.Cmd{Path: name, ExtraFiles: make([]*os.File, number-3)}
	})
	assert.Contains(t, r.Facts, fmt.Sprintf("descriptor %d pipe\n", number))
}

// The paths of /proc that the first execve(2) changes mean what they mean in cmd.Start.
func TestStartSelf(t *testing.T) {
	needStart(t)
	executable, err := os.Executable()
	require.NoError(t, err)
	file, err := os.Open(executable)
	require.NoError(t, err)
	defer file.Close()
	for _, path := range []string{
		"/proc/self/exe", "/proc/thread-self/exe", "/proc//self/./exe", "../proc/self/exe",
		fmt.Sprint("/proc/self/fd/", file.Fd()), fmt.Sprint("/dev/fd/", file.Fd()), fmt.Sprint("/proc/thread-self/fd/", file.Fd()),
	} {
		for _, dir := range []string{"", "/", "/proc"} {
			make := func() *exec.Cmd {
				return &exec.Cmd{Path: path, Args: []string{"zero"}, Env: []string{roleVar + "=facts"}, Dir: dir}
			}
			want := run(t, make(), (*exec.Cmd).Start)
			got := run(t, make(), func(cmd *exec.Cmd) error { return startBlockedHere(t, cmd) })
			_, want.Facts, _ = strings.Cut(want.Facts, " exe ")
			_, got.Facts, _ = strings.Cut(got.Facts, " exe ") // the name differs
			assert.Equal(t, want, got, "%s in %q", path, dir)
			if got.Start == "" { // a small machine has no /dev/fd
				assert.Contains(t, got.Facts, executable)
			}
		}
	}
	compare(t, func(*testing.T) *exec.Cmd { return exec.Command("/proc/self/fd/12345") })
}

// Start fails as cmd.Start does.
func TestStartFailsAsCmdStartDoes(t *testing.T) {
	needStart(t)
	dir, err := os.MkdirTemp("", "signalfd")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	file := func(name, text string, mode fs.FileMode) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		require.NoError(t, os.Chmod(name, mode))
		return name
	}
	plain := file("plain", "", 0o600)
	script := file("script", "#!/none\n", 0o755)
	garbage := file("garbage", "\x00\x01\x02\x03garbage", 0o755)
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "closed"), 0o700))
	cmd := func(path string, args ...string) func(*testing.T) *exec.Cmd {
		return func(*testing.T) *exec.Cmd { return &exec.Cmd{Path: path, Args: append([]string{path}, args...)} }
	}
	in := func(dir, path string, attr *syscall.SysProcAttr) func(*testing.T) *exec.Cmd {
		return func(*testing.T) *exec.Cmd { return &exec.Cmd{Path: path, Dir: dir, SysProcAttr: attr} }
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for what, test := range map[string]struct {
		make func(*testing.T) *exec.Cmd
		want error
	}{
		"missing":                       {cmd(filepath.Join(dir, "none")), unix.ENOENT},
		"directory":                     {cmd(dir), unix.EACCES},
		"not executable":                {cmd(plain), unix.EACCES},
		"missing interpreter":           {cmd(script), unix.ENOENT},
		"unknown format":                {cmd(garbage), unix.ENOEXEC},
		"long argument":                 {cmd("/bin/true", strings.Repeat("x", 33*os.Getpagesize())), unix.E2BIG},
		"many arguments":                {cmd("/bin/true", strings.Split(strings.Repeat(" ", 1<<20), "")...), unix.E2BIG},
		"long path":                     {cmd(strings.Repeat("x", 5000)), unix.ENAMETOOLONG},
		"path longer than an argument":  {cmd(strings.Repeat("x", 1<<18)), unix.ENAMETOOLONG},
		"loop":                          {cmd(filepath.Join(dir, "loop")), unix.ELOOP},
		"NUL in the path":               {cmd("/bin/true\x00"), unix.EINVAL},
		"NUL in the path alone":         {func(*testing.T) *exec.Cmd { return &exec.Cmd{Path: "/bin/true\x00", Args: []string{"true"}} }, unix.EINVAL},
		"NUL in an argument":            {cmd("/bin/true", "\x00"), unix.EINVAL},
		"NUL in the environment":        {func(t *testing.T) *exec.Cmd { c := cmd("/bin/true")(t); c.Env = []string{"A=\x00"}; return c }, nil},
		"missing directory":             {in(filepath.Join(dir, "none"), "/bin/true", nil), unix.ENOENT},
		"missing directory, attributes": {in(filepath.Join(dir, "none"), "/bin/true", new(syscall.SysProcAttr)), unix.ENOENT},
		"directory is a file":           {in(plain, "/bin/true", nil), unix.ENOTDIR},
		"missing in the directory":      {in(dir, "./none", nil), unix.ENOENT},
		"pidfd":                         {in("", filepath.Join(dir, "none"), &syscall.SysProcAttr{PidFD: new(int)}), unix.ENOENT},
		"terminal is no terminal":       {in("", "/bin/true", &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}), unix.ENOTTY},
		"terminal is not there":         {in("", "/bin/true", &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}), nil},
		"no such name":                  {func(*testing.T) *exec.Cmd { return exec.Command("iofd-no-such-program") }, exec.ErrNotFound},
		"current directory":             {func(*testing.T) *exec.Cmd { return &exec.Cmd{Path: "program", Err: exec.ErrDot} }, exec.ErrDot},
		"current directory, refused": {func(*testing.T) *exec.Cmd {
			return &exec.Cmd{Path: "program", Err: exec.ErrDot, SysProcAttr: &syscall.SysProcAttr{Chroot: "/"}}
		}, exec.ErrDot},
		"nothing":                  {func(*testing.T) *exec.Cmd { return new(exec.Cmd) }, nil},
		"context has ended":        {func(*testing.T) *exec.Cmd { return exec.CommandContext(ended, "/bin/true") }, context.Canceled},
		"Cancel without a context": {func(*testing.T) *exec.Cmd { return &exec.Cmd{Path: "/bin/true", Cancel: func() error { return nil }} }, nil},
	} {
		t.Run(what, func(t *testing.T) {
			before := systest.OpenDescriptors()
			r := compare(t, test.make)
			assert.True(t, r.NotStarted)
			assert.Equal(t, "exec: not started", r.Wait)
			err := startBlockedHere(t, test.make(t))
			require.Error(t, err)
			if test.want != nil {
				assert.ErrorIs(t, err, test.want)
			}
			assert.Empty(t, before.Left())
			_, err = unix.Wait4(-1, nil, unix.WNOHANG, nil)
			assert.Equal(t, unix.ECHILD, err)
		})
	}
	require.ErrorIs(t, signalfd.Start(nil), unix.EINVAL)

	t.Run("started twice", func(t *testing.T) {
		cmd := exec.Command(script)
		require.Error(t, startBlockedHere(t, cmd))
		assert.EqualError(t, startBlockedHere(t, cmd), "exec: already started")
	})
	t.Run("directory closed to the user", func(t *testing.T) {
		systest.NeedUser(t, 65534, 65534)
		compare(t, in(filepath.Join(dir, "closed"), "/bin/true", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}))
	})
}

// If Start fails, the input is not read, and the pipes are closed.
func TestStartFailsWithoutTrace(t *testing.T) {
	needStart(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/none\n"), 0o700))
	in := strings.NewReader("input")
	for _, stdin := range []io.Reader{in, io.MultiReader(in)} {
		cmd := exec.Command(script)
		cmd.Stdin = stdin
		require.ErrorIs(t, startBlockedHere(t, cmd), unix.ENOENT)
		assert.Equal(t, 5, in.Len())
		assert.Equal(t, stdin, cmd.Stdin)
	}
	for _, refused := range []bool{false, true} {
		cmd := exec.Command(script)
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: refused}
		require.Error(t, startBlockedHere(t, cmd))
		_, err = stdin.Write([]byte("x"))
		assert.ErrorIs(t, err, os.ErrClosed)
		_, err = stdout.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrClosed)
	}
}

// Start refuses what it cannot do before a child exists.
func TestStartRefuses(t *testing.T) {
	if systest.Emulated() || !hasAssembly() { // there is no program that the kernel executes
		assert.ErrorIs(t, startBlockedHere(t, exec.Command("true")), errors.ErrUnsupported)
		return
	}
	ran := filepath.Join(t.TempDir(), "ran")
	check := func(t *testing.T, attr *syscall.SysProcAttr, says string) {
		before := systest.OpenDescriptors()
		cmd := exec.Command("touch", ran)
		cmd.SysProcAttr = attr
		err := startBlockedHere(t, cmd)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorContains(t, err, "start it by env --default-signal=USR1,TERM,40: "+says)
		assert.Nil(t, cmd.Process)
		assert.NoFileExists(t, ran)
		assert.Empty(t, before.Left())
		_, err = unix.Wait4(-1, nil, unix.WNOHANG, nil)
		assert.Equal(t, unix.ECHILD, err)
	}
	t.Run("Ptrace", func(t *testing.T) { check(t, &syscall.SysProcAttr{Ptrace: true}, "the tracer") })
	t.Run("Chroot", func(t *testing.T) { check(t, &syscall.SysProcAttr{Chroot: "/"}, "/proc may be absent") })
	for _, errno := range []unix.Errno{unix.EACCES, unix.ENOSYS, unix.EPERM} {
		t.Run("memfd_create "+errno.Error(), func(t *testing.T) {
			systest.Refuse(t, func() { check(t, nil, "the kernel refuses") }, systest.Refusal{Call: unix.SYS_MEMFD_CREATE, Errno: errno})
		})
	}
	t.Run("no procfs", func(t *testing.T) {
		systest.Refuse(t, func() { check(t, nil, "/proc is needed") }, systest.Refusal{Call: unix.SYS_OPENAT2, Errno: unix.ENOENT})
	})
	t.Run("no program at all", func(t *testing.T) {
		systest.Refuse(t, func() {
			err := startBlockedHere(t, exec.Command("/bin/true"))
			assert.EqualError(t, err, "fork/exec /bin/true: permission denied")
		}, systest.Refusal{Call: unix.SYS_EXECVE, Errno: unix.EACCES})
	})
	t.Run("no descriptors", func(t *testing.T) {
		systest.Refuse(t, func() {
			err := startBlockedHere(t, exec.Command("touch", ran))
			assert.EqualError(t, err, "memfd_create: too many open files")
		}, systest.Refusal{Call: unix.SYS_MEMFD_CREATE, Errno: unix.EMFILE})
	})

	// The advice works.
	cmd := exec.Command("env", "--default-signal=USR1,TERM,40", "true")
	systest.Need(t, "env(1) with --default-signal", func() error {
		if cmd.Run() != nil {
			return unix.ENOSYS
		}
		return nil
	}())
	blockHere(t, unix.SIGUSR1, unix.SIGTERM, 40)
	out, err := exec.Command("env", append([]string{"--default-signal=USR1,TERM,40"}, showStatus...)...).Output()
	require.NoError(t, err)
	assert.Equal(t, cleanStatus, string(out))
}

// Start goes on after stops of the process group, and after signals to it.
func TestStartStopped(t *testing.T) {
	needStart(t)
	cmd := self(t, "stopped")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := start(t, cmd)
	require.Equal(t, "ready", p.line())
	done := make(chan string)
	go func() {
		line, _ := p.out.ReadString('\n')
		done <- line
	}()
	group := -p.pid()
	for stops := 0; ; stops++ {
		for range 5 {
			_ = unix.Kill(group, unix.SIGURG)
		}
		_ = unix.Kill(group, unix.SIGSTOP)
		_ = unix.Kill(group, unix.SIGURG)
		_ = unix.Kill(group, unix.SIGCONT)
		select {
		case line := <-done:
			assert.Equal(t, "done\n", line)
			require.NoError(t, p.cmd.Wait())
			t.Log(stops, "stops")
			return
		default:
		}
	}
}

func startStopped() error {
	fmt.Println("ready")
	errs := make(chan error)
	const starters = 3
	for range starters {
		go func() {
			lockAndBlock()
			for range long(300, 50) {
				cmd := exec.Command("true")
				err := signalfd.Start(cmd)
				if err == nil {
					err = cmd.Wait()
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var err error
	for range starters {
		err = errors.Join(err, <-errs)
	}
	if err == nil {
		fmt.Println("done")
	}
	return err
}

// Foreground puts the child's group in the foreground of the terminal.
func TestStartForeground(t *testing.T) {
	needStart(t)
	for _, way := range []string{"cmd.Start", "Start"} {
		master, slave := systest.OpenTerminal(t)
		cmd := self(t, "foreground")
		cmd.Env = append(cmd.Env, "WAY="+way)
		cmd.Stdin, cmd.Stderr = slave, nil
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		assert.Equal(t, "true\n", output(t, cmd), way)
		_, _ = master.Close(), slave.Close()
	}
}

func startForeground() error {
	lockAndBlock()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"=facts")
	cmd.SysProcAttr = &syscall.SysProcAttr{Foreground: true, Ctty: 0}
	var out strings.Builder
	cmd.Stdout = &out
	start := (*exec.Cmd).Start
	if os.Getenv("WAY") == "Start" {
		start = signalfd.Start
	}
	if err := start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	fmt.Println(strings.Contains(out.String(), "terminal true"))
	return nil
}
