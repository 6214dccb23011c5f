package memfd_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

// childEnv marks a process that a test made of the test binary.
const childEnv = "MEMFD_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
	case "work":
		work()
		os.Exit(0)
	default:
		if err := receive(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	systest.Main(m)
}

// inChild returns a command that calls work in another process.
func inChild(function string) *exec.Cmd {
	argv := append(strings.Fields(os.Getenv("KERNELS_EMU")), os.Args[0])
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+function)
	return cmd
}

// startChild runs the test binary as a child with the given files from
// descriptor 3 on, and returns what it prints.
func startChild(t *testing.T, files ...*os.File) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	command := append(strings.Fields(os.Getenv("KERNELS_EMU")), self)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// skipped finds the reason in the output of a test.
var skipped = regexp.MustCompile(`_test\.go:\d+: (.*)\n--- SKIP: `)

// becomeNobody drops every privilege of this process, which must be a child made for
// it.
func becomeNobody(t *testing.T) {
	t.Helper()
	const nobody = 65534
	require.NoError(t, syscall.Setgroups(nil))
	require.NoError(t, syscall.Setgid(nobody))
	require.NoError(t, syscall.Setuid(nobody))
}

// runChild runs the test again as a child with the given files from descriptor 3 on,
// and fails or is skipped with it.
func runChild(t *testing.T, attr *syscall.SysProcAttr, files ...*os.File) {
	t.Helper()
	cmd := systest.Child(t, t.Name())
	cmd.SysProcAttr = attr
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	if why := skipped.FindStringSubmatch(string(out)); why != nil {
		t.Skip(why[1])
	}
	require.Contains(t, string(out), "--- PASS: "+t.Name())
}

// create makes a file that is closed at the end of the test.
func create(t *testing.T, opts ...memfd.Option) *memfd.MemFD {
	t.Helper()
	m, err := memfd.New("test", opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// createWith makes a file that holds text, with the offset at 0.
func createWith(t *testing.T, text string, opts ...memfd.Option) *memfd.MemFD {
	t.Helper()
	m := create(t, opts...)
	n, err := m.WriteAt([]byte(text), 0)
	require.NoError(t, err)
	require.Equal(t, len(text), n)
	return m
}

// content returns all bytes of the file.
func content(t *testing.T, m *memfd.MemFD) string {
	t.Helper()
	size, err := m.Size()
	require.NoError(t, err)
	p := make([]byte, size)
	_, err = m.ReadAt(p, 0)
	require.NoError(t, err)
	return string(p)
}

func offset(t *testing.T, m *memfd.MemFD) int64 {
	t.Helper()
	off, err := m.Seek(0, 1)
	require.NoError(t, err)
	return off
}
