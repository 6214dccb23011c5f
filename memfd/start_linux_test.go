package memfd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

// shell returns an executable file with the program sh.
func shell(t *testing.T) *memfd.MemFD {
	t.Helper()
	path, err := exec.LookPath("sh")
	require.NoError(t, err)
	program, err := os.ReadFile(path)
	require.NoError(t, err)
	return createWith(t, string(program), memfd.Executable, memfd.AllowSealing)
}

// command is exec.Command with a deadline of one minute.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, name, args...)
}

// output starts cmd from the file, and returns what it prints.
func output(t *testing.T, m *memfd.MemFD, cmd *exec.Cmd) string {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, m.Start(cmd))
	require.NoError(t, cmd.Wait(), out.String())
	return out.String()
}

// decoys returns n files whose numbers in a child would take those of m and of its
// duplicates. Each is a program that fails.
func decoys(t *testing.T, n int) (files []*os.File) {
	t.Helper()
	for i := range n {
		m := createWith(t, "#!/bin/sh\necho the decoy; exit 1\n", memfd.Executable)
		file, err := m.File(fmt.Sprint("decoy ", i))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, file.Close()) })
		files = append(files, file)
	}
	return files
}

// Start runs the file whatever ExtraFiles the command has. The child has the file after
// them, and the command has the same fields afterwards.
func TestStart(t *testing.T) {
	script := func(t *testing.T) *memfd.MemFD {
		return createWith(t, "#!/bin/sh\necho \"script $0 $1\"\n", memfd.Executable, memfd.AllowSealing)
	}
	for _, sealed := range []bool{false, true} {
		for _, extra := range []int{0, 1, 6, 20} {
			t.Run(fmt.Sprintf("%d extra files, sealed: %v", extra, sealed), func(t *testing.T) {
				seal := func(m *memfd.MemFD) {
					if sealed {
						require.NoError(t, m.Seal(immutableSeals|memfd.SealSeal))
					}
				}
				files := decoys(t, extra)
				path := fmt.Sprint("/proc/self/fd/", 3+extra)

				m := shell(t)
				seal(m)
				cmd := command(t, "sh", "-c", `echo "program $0"; test -e `+path+" && echo open", "zero")
				cmd.ExtraFiles = files
				before := *cmd
				assert.Equal(t, "program zero\nopen\n", output(t, m, cmd))
				assert.Equal(t, before.Path, cmd.Path)
				assert.Equal(t, before.Args, cmd.Args)
				assert.Equal(t, files, cmd.ExtraFiles)
				assert.Nil(t, cmd.SysProcAttr)

				m = script(t)
				seal(m)
				cmd = command(t, "no-such-program", "one")
				lookup := cmd.Err
				require.Error(t, lookup)
				cmd.ExtraFiles = files
				assert.Equal(t, "script "+path+" one\n", output(t, m, cmd))
				assert.Equal(t, lookup, cmd.Err)
			})
		}
	}
}

// The slice of ExtraFiles may have room that belongs to the caller.
func TestStartExtraFilesRoom(t *testing.T) {
	files := decoys(t, 2)
	cmd := command(t, "sh", "-c", "echo ran")
	cmd.ExtraFiles = files[:1:2]
	second := files[1]
	assert.Equal(t, "ran\n", output(t, shell(t), cmd))
	assert.Same(t, second, files[1])
}

// A child of another user executes the file too.
func TestStartUser(t *testing.T) {
	const nobody = 65534
	systest.NeedUser(t, nobody, nobody)
	cmd := command(t, "sh", "-c", "id -u")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	before := *cmd.SysProcAttr
	assert.Equal(t, "65534\n", output(t, shell(t), cmd))
	assert.Equal(t, before, *cmd.SysProcAttr)
}

// The errors are those of cmd.Start. They name the path of the caller.
func TestStartFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    *memfd.MemFD
		want error
	}{
		{"not executable", createWith(t, "#!/bin/sh\n"), unix.EACCES},
		{"not a program", createWith(t, "not a program", memfd.Executable), unix.ENOEXEC},
		{"no interpreter", createWith(t, "#!/no/such/interpreter\n", memfd.Executable), unix.ENOENT},
	} {
		cmd := command(t, "no-such-program")
		lookup := cmd.Err
		err := tt.m.Start(cmd)
		require.ErrorIs(t, err, tt.want, tt.name)
		var path *os.PathError
		require.ErrorAs(t, err, &path)
		assert.Equal(t, "no-such-program", path.Path)
		assert.Equal(t, lookup, cmd.Err)
		assert.Nil(t, cmd.Process)
	}
	m := shell(t)
	broken := errors.New("broken")
	cmd := command(t, "sh")
	cmd.Err = broken
	require.Equal(t, broken, m.Start(cmd), "the error is not of a lookup")
	cmd = command(t, "sh", "-c", "exit 0")
	cmd.Dir = "/no/such/directory"
	require.EqualError(t, m.Start(cmd), "chdir /no/such/directory: no such file or directory")

	cmd = command(t, "sh", "-c", "exit 0")
	require.NoError(t, m.Start(cmd))
	require.NoError(t, cmd.Wait())
	require.EqualError(t, m.Start(cmd), "exec: already started")

	err := m.Start(nil)
	require.ErrorIs(t, err, unix.EINVAL)
	require.ErrorContains(t, err, "memfd: Start: command is nil")
}

// A Start that fails closes the pipes of the command, as cmd.Start does.
func TestStartFailsClosesPipes(t *testing.T) {
	before := openDescriptors(t)
	closed, err := memfd.New("closed")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for _, m := range []*memfd.MemFD{closed, createWith(t, "#!/bin/sh\n")} {
		cmd := command(t, "no-such-program")
		_, err := cmd.StdinPipe()
		require.NoError(t, err)
		_, err = cmd.StdoutPipe()
		require.NoError(t, err)
		err = m.Start(cmd)
		if m == closed {
			require.Equal(t, fd.ErrClosed, err)
		} else {
			require.ErrorIs(t, err, unix.EACCES)
			require.NoError(t, m.Close())
		}
		assert.Error(t, cmd.Err, "of the lookup")
	}
	assert.Equal(t, before, openDescriptors(t))
}
