package fd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// C code may read what an FD read into its memory. A build with -msan must not take that
// memory for uninitialized.
func TestMemorySanitizer(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	if !slices.Contains([]string{"amd64", "arm64", "loong64"}, runtime.GOARCH) {
		t.Skip("Go has no MemorySanitizer for ", runtime.GOARCH)
	}
	for _, program := range []string{"go", "clang"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	build := func(what, program string) ([]byte, error) {
		cmd := exec.Command("go", "build", "-msan", "-o", program, what)
		cmd.Env = append(os.Environ(), "CC=clang", "CGO_ENABLED=1", "GOFLAGS=")
		return cmd.CombinedOutput()
	}
	dir := t.TempDir()
	probe, program := filepath.Join(dir, "probe.go"), filepath.Join(dir, "msan")
	require.NoError(t, os.WriteFile(probe, []byte("package main\n\nimport \"C\"\n\nfunc main() {}\n"), 0o600))
	if out, err := build(probe, program); err != nil {
		t.Skipf("the machine has no MemorySanitizer: %v\n%s", err, out)
	}
	out, err := build("./testdata/msan", program)
	require.NoError(t, err, "%s", out)
	out, err = exec.Command(program).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
