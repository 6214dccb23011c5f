//go:build amd64 || arm64 || riscv64 || loong64

package unmask

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

// An error of the first execve(2) is a Refusal if the machine does not execute the
// program, and stays as it is otherwise.
func TestRefusalOfMemoryFiles(t *testing.T) {
	var s start
	defer s.close()
	require.NoError(t, s.prepare(exec.Command("true")))
	emulated := systest.Emulated()
	for _, errno := range []error{unix.EACCES, unix.EPERM, unix.ENOEXEC, unix.ENOENT} {
		err := &os.PathError{Op: "fork/exec", Path: "true", Err: errno}
		if !emulated {
			assert.Same(t, err, s.explain(err))
		}
		require.NoError(t, s.program.Chmod(0))
		got := s.explain(err)
		assert.ErrorIs(t, got, errno)
		assert.Equal(t, errno != unix.ENOENT, errors.Is(got, errors.ErrUnsupported), errno)
		require.NoError(t, s.program.Chmod(0o700))
	}
}
