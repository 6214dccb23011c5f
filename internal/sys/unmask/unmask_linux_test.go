//go:build amd64 || arm64 || riscv64 || loong64

package unmask_test

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/internal/sys/unmask"
)

func TestMain(m *testing.M) { systest.Main(m) }

// build writes the program that executes path to a file. Its errors go to the
// descriptor 3.
func build(t *testing.T, path string) string {
	t.Helper()
	file, err := unmask.NewFile()
	systest.Need(t, "an executable memory file", err)
	defer file.Close()
	require.NoError(t, unmask.Write(file, unmask.Numbers{Errors: 3, Program: 4, Target: 5}, path))
	text := make([]byte, 1<<16)
	n, err := file.ReadAt(text, 0)
	require.Equal(t, io.EOF, err)
	name := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(name, text[:n], 0o700))
	return name
}

// command returns a command that runs a file of this processor.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	args = append(strings.Fields(os.Getenv("KERNELS_EMU")), args...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, args[0], args[1:]...)
}

// start starts cmd with every signal blocked that a process can block. It returns what
// the process writes to descriptor 3.
func start(t *testing.T, cmd *exec.Cmd) (errors *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = read.Close() })
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	cmd.ExtraFiles = []*os.File{write, null, null}
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old))
	err = cmd.Start()
	require.NoError(t, unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil))
	require.NoError(t, err)
	require.NoError(t, write.Close())
	require.NoError(t, null.Close())
	return read
}

// The program executes its path with an empty mask. It passes on its arguments and its
// environment, and none of its descriptors.
func TestProgram(t *testing.T) {
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	cmd := command(t, build(t, sh))
	script := `grep SigBlk /proc/self/status; for n in 3 4 5; do test -e /proc/self/fd/$n && echo $n; done; echo "$0 $1 $# $VAR"`
	if !systest.Emulated() {
		cmd.Args[0] = "sh" // busybox goes by the name
	}
	cmd.Args = append(cmd.Args, "-c", script, "zero", "one", "")
	cmd.Env = append(os.Environ(), "VAR=value of a variable")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	text, err := io.ReadAll(start(t, cmd))
	require.NoError(t, err)
	assert.Empty(t, text)
	require.NoError(t, cmd.Wait(), out.String())
	assert.Equal(t, "SigBlk:\t0000000000000000\nzero one 2 value of a variable\n", out.String())
}

// If execve(2) fails, the program tells the error.
func TestProgramFails(t *testing.T) {
	for path, want := range map[string]unix.Errno{
		filepath.Join(t.TempDir(), "none"): unix.ENOENT,
		t.TempDir():                        unix.EACCES,
		strings.Repeat("x", 5000):          unix.ENAMETOOLONG,
	} {
		cmd := command(t, build(t, path))
		text, err := io.ReadAll(start(t, cmd))
		require.NoError(t, err)
		require.Len(t, text, 4, path)
		assert.Equal(t, want, unix.Errno(binary.NativeEndian.Uint32(text)), path)
		assert.EqualError(t, cmd.Wait(), "exit status 127")
	}
}

// If the descriptor for errors is not open, the program executes nothing. It would
// execute itself for ever if its path were /proc/self/exe.
func TestProgramWithoutErrors(t *testing.T) {
	cmd := command(t, build(t, "/proc/self/exe"))
	assert.EqualError(t, cmd.Run(), "exit status 127")
}

// The file cannot be changed.
func TestProgramSealed(t *testing.T) {
	file, err := unmask.NewFile()
	systest.Need(t, "an executable memory file", err)
	defer file.Close()
	require.NoError(t, unmask.Write(file, unmask.Numbers{}, "/bin/true"))
	_, err = file.WriteAt([]byte{0}, 0)
	assert.ErrorIs(t, err, unix.EPERM)
	assert.ErrorIs(t, file.Truncate(0), unix.EPERM)
	cloexec, err := unix.FcntlInt(file.Fd(), unix.F_GETFD, 0)
	require.NoError(t, err)
	assert.Equal(t, unix.FD_CLOEXEC, cloexec)
}
