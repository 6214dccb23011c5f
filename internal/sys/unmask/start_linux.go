package unmask

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/command"
)

// Start starts cmd as cmd.Start does, but with an empty signal mask. The errors are
// those of cmd.Start. If Start cannot empty the mask, it starts nothing and the error
// is a [*Refusal]. The caller has locked its thread.
//
// cmd.Start executes the program of [Write] instead of cmd.Path. The rest is hidden
// from the caller and from the child:
//
//   - The descriptors for the program get numbers that the child does not inherit.
//   - The child reports the error of the second execve(2) through a pipe. If the pipe
//     ends without an error, cmd.Path is running or the child was killed.
//   - cmd.Stdin is not read before cmd.Path is running.
func Start(cmd *exec.Cmd) error {
	if fails(cmd) {
		return cmd.Start()
	}
	if err := check(cmd.SysProcAttr); err != nil {
		return fail(cmd, err)
	}
	var s start
	defer s.close()
	if err := s.prepare(cmd); err != nil {
		return fail(cmd, err)
	}
	in := hold(cmd)
	err := command.Start(cmd, func(c *exec.Cmd) {
		c.Path = entry(int(s.numbers.Program))
		c.ExtraFiles = append(slices.Clip(c.ExtraFiles), s.extra...)
	})
	in.restore(cmd, err == nil)
	if err != nil {
		return s.explain(err)
	}
	errno, err := s.result()
	in.release(errno == 0 && err == nil)
	switch {
	case err != nil:
		_ = cmd.Process.Kill()
		undo(cmd)
		return err
	case errno != 0:
		undo(cmd)
		return notStarted(cmd, errno)
	}
	return nil
}

// fails reports whether cmd.Start fails before the kernel looks for cmd.Path.
func fails(cmd *exec.Cmd) bool {
	attr := cmd.SysProcAttr
	return cmd.Path == "" || len(cmd.Path) >= unix.PathMax || strings.IndexByte(cmd.Path, 0) >= 0 || cmd.Err != nil ||
		attr != nil && attr.Setctty && attr.Ctty >= unused(cmd)
}

// unused returns the first number that cmd.Start gives to no descriptor in the child.
func unused(cmd *exec.Cmd) int { return 3 + len(cmd.ExtraFiles) }

// fail returns err, and closes the pipes of cmd as cmd.Start does if it fails.
func fail(cmd *exec.Cmd, err error) error {
	cmd.Err = err
	defer func() { cmd.Err = nil }()
	return cmd.Start()
}

// notStarted returns the error of cmd.Start for a failed execve(2).
func notStarted(cmd *exec.Cmd, err error) error {
	return &os.PathError{Op: "fork/exec", Path: cmd.Path, Err: err}
}

// A Refusal says why Start cannot empty the mask. It matches errors.ErrUnsupported.
type Refusal struct {
	Reason string
	Err    error
}

func (r *Refusal) Error() string { return r.Reason + ": " + r.Err.Error() }

// Unwrap returns ENOTSUP and the reason's own error.
func (r *Refusal) Unwrap() []error { return []error{unix.ENOTSUP, r.Err} }

// refuse returns a Refusal for err if the machine lacks or forbids something. It
// returns other errors as they are.
func refuse(reason string, err error) error {
	for _, refusal := range []error{errors.ErrUnsupported, unix.EINVAL, unix.EACCES, unix.EPERM, unix.ENOENT} {
		if errors.Is(err, refusal) {
			return &Refusal{reason, err}
		}
	}
	return err
}

// check returns a Refusal if the program cannot run in a child with the attributes.
func check(attr *syscall.SysProcAttr) error {
	switch {
	case !Supported:
		return &Refusal{"there is no program for " + runtime.GOARCH, unix.ENOTSUP}
	case attr != nil && attr.Ptrace:
		return &Refusal{"the tracer would stop another program, SysProcAttr.Ptrace is set", unix.ENOTSUP}
	case attr != nil && attr.Chroot != "":
		return &Refusal{"/proc may be absent, SysProcAttr.Chroot is " + strconv.Quote(attr.Chroot), unix.ENOTSUP}
	}
	if err := sys.CheckProc("self/fd"); err != nil {
		return refuse("/proc is needed", err)
	}
	return nil
}

// A start has what the parent opens for one child.
type start struct {
	program *os.File
	read    *os.File   // the pipe for the error of the child
	extra   []*os.File // what the child gets, from unused on
	numbers Numbers    // of its own descriptors in the child
	opened  []*os.File
}

func (s *start) close() {
	for _, file := range s.opened {
		_ = file.Close()
	}
	s.opened = nil
}

// open makes an *os.File of a new descriptor, which close closes.
func (s *start) open(number int) *os.File {
	file := os.NewFile(uintptr(number), "")
	s.opened = append(s.opened, file)
	return file
}

// prepare opens the descriptors and writes the program.
func (s *start) prepare(cmd *exec.Cmd) error {
	path, target, err := s.target(cmd)
	if err != nil {
		return err
	}
	if s.program, err = NewFile(); err != nil {
		return refuse("the kernel refuses an executable memory file, see vm.memfd_noexec", err)
	}
	s.opened = append(s.opened, s.program)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	var write *os.File
	s.read, write = s.open(pipe[0]), s.open(pipe[1])

	next := unused(cmd)
	s.numbers.Target = -1
	if s.numbers.Errors, err = s.place(&next, write); err != nil {
		return err
	}
	if s.numbers.Program, err = s.place(&next, s.program); err != nil {
		return err
	}
	if target != nil {
		if s.numbers.Target, err = s.place(&next, target); err != nil {
			return err
		}
		path = entry(int(s.numbers.Target))
	}
	err = Write(s.program, s.numbers, path)
	if errors.Is(err, unix.EFBIG) {
		return &Refusal{"the program is larger than RLIMIT_FSIZE", err}
	}
	return err
}

// place gives file the next number in the child that the child does not inherit. It
// gives the child the numbers that it skips, because a descriptor in cmd.ExtraFiles
// replaces an inherited one.
func (s *start) place(next *int, file *os.File) (int32, error) {
	for ; inherited(*next); *next++ {
		number, err := unix.FcntlInt(uintptr(*next), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return -1, os.NewSyscallError("fcntl", err)
		}
		s.extra = append(s.extra, s.open(number))
	}
	s.extra = append(s.extra, file)
	*next++
	return int32(*next - 1), nil
}

// inherited reports whether children inherit the descriptor number.
func inherited(number int) bool {
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}

// entry returns the path by which a process finds its own descriptor.
func entry(number int) string { return "/proc/self/fd/" + strconv.Itoa(number) }

// target returns the path for the second execve(2). The first execve(2) changes what
// /proc/self/exe means, and closes descriptors. If cmd.Path means one of these, target
// opens it.
func (s *start) target(cmd *exec.Cmd) (path string, file *os.File, err error) {
	path = cmd.Path
	if !filepath.IsAbs(path) && cmd.Dir != "" {
		path = cmd.Dir + "/" + path // not cleaned, because links may precede ".."
	}
	absolute, _ := filepath.Abs(path)
	dir, name := filepath.Split(absolute)
	switch dir {
	case "/proc/self/", "/proc/thread-self/":
		if name != "exe" {
			return cmd.Path, nil, nil
		}
	case "/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/":
		if n, err := strconv.Atoi(name); err != nil || n < unused(cmd) || inherited(n) {
			return cmd.Path, nil, nil
		}
	default:
		return cmd.Path, nil, nil
	}
	number, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, notStarted(cmd, err)
	}
	return "", s.open(number), nil
}

// explain returns err, the error of cmd.Start, or a Refusal if the machine executes
// other files and not the program. An emulator may run the parent and not the program.
func (s *start) explain(err error) error {
	mayRefuse := func(err error) bool {
		return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOEXEC)
	}
	if !mayRefuse(err) || tryExec("/proc/none") != unix.ENOENT {
		return err
	}
	// Here the program finds no descriptor for errors, and exits.
	if mayRefuse(tryExec(entry(int(s.program.Fd())))) {
		return &Refusal{"the machine refuses to execute a memory file", err}
	}
	return err
}

// tryExec executes path without descriptors, and waits for its end. It returns the
// error of the start.
func tryExec(path string) error {
	pid, err := syscall.ForkExec(path, []string{path}, new(syscall.ProcAttr))
	if err != nil {
		return err
	}
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return nil
		}
	}
}

// result waits until cmd.Path runs, or until the child has ended, and returns the error
// of the second execve(2).
func (s *start) result() (unix.Errno, error) {
	for _, file := range s.opened {
		if file != s.read {
			_ = file.Close()
		}
	}
	var errno [4]byte
	switch _, err := io.ReadFull(s.read, errno[:]); {
	case err == io.EOF:
		return 0, nil
	case err != nil:
		return 0, err
	}
	return unix.Errno(binary.NativeEndian.Uint32(errno[:])), nil
}

// undo waits for the child and makes cmd what it is after cmd.Start has failed.
func undo(cmd *exec.Cmd) {
	process := cmd.Process
	_ = cmd.Wait()
	_ = process.Release() // if another goroutine has reaped the child, Wait has not
	cmd.Process, cmd.ProcessState = nil, nil
	if attr := cmd.SysProcAttr; attr != nil && attr.PidFD != nil && *attr.PidFD >= 0 {
		_ = unix.Close(*attr.PidFD)
		*attr.PidFD = -1
	}
}

// A heldInput stands for cmd.Stdin while cmd starts. The goroutine of package os/exec
// that copies the input waits for the result.
type heldInput struct {
	io.Reader
	copying chan struct{}
	started chan bool
}

// hold returns nil if no goroutine copies the input of cmd.
func hold(cmd *exec.Cmd) *heldInput {
	if _, ok := cmd.Stdin.(*os.File); ok || cmd.Stdin == nil {
		return nil
	}
	in := &heldInput{cmd.Stdin, make(chan struct{}), make(chan bool, 1)}
	cmd.Stdin = in
	return in
}

// WriteTo is what io.Copy calls.
func (in *heldInput) WriteTo(w io.Writer) (int64, error) {
	close(in.copying)
	if !<-in.started {
		return 0, nil
	}
	return io.Copy(w, in.Reader)
}

// restore restores cmd.Stdin. If the copying goroutine has been started, it has read
// cmd.Stdin before.
func (in *heldInput) restore(cmd *exec.Cmd, copying bool) {
	if in == nil {
		return
	}
	if copying {
		<-in.copying
	}
	cmd.Stdin = in.Reader
}

// release lets the goroutine copy if cmd has started, or end.
func (in *heldInput) release(started bool) {
	if in != nil {
		in.started <- started
	}
}
