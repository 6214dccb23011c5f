package fd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/internal/sys/systest"
)

// The handle of ExampleFD_kit is a package of another module: in a module outside of
// this repository it compiles, runs and leaks nothing.
func TestOutsideModule(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds another program")
	}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %v: %s", args, out)
	}
	copied := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, to), text, 0o600))
	}
	copied("example_kit_linux_test.go", "kit_test.go")
	copied("go.sum", "go.sum") // what is needed is in the module cache already
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main_test.go"), []byte(`package fd_test

import (
	"testing"

	"code.hybscloud.com/iofd/fd/fdtest"
)

func TestMain(m *testing.M) { fdtest.Main(m) }
`), 0o600))
	run("mod", "init", "example.com/inotify")
	for path, folder := range map[string]string{"fd": ".", "iface": "../iface", "internal/sys": "../internal/sys"} {
		folder, err := filepath.Abs(folder)
		require.NoError(t, err)
		run("mod", "edit", "-require=code.hybscloud.com/iofd/"+path+"@v0.1.0",
			"-replace=code.hybscloud.com/iofd/"+path+"="+folder)
	}
	run("vet", ".")
	if !systest.Emulated() {
		run("test", "-count=1", ".")
	}
}
