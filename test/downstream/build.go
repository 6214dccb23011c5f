package downstream

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const prefix = "code.hybscloud.com/iofd/"

// goCommand runs the go command in this module.
func goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		err = fmt.Errorf("go %s: %w\n%s", args[0], err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// A build is the test binary of a workspace as it was, or moved to this library.
type build struct {
	*workspace
	binary string
}

// both builds the tests of p in a copy under dir, as they are and moved. The moved tests
// are built to report what they reach of the handle's package.
func both(ctx context.Context, p program, dir string) (theirs, moved *build, err error) {
	w, err := lay(ctx, p, dir)
	if err != nil {
		return nil, nil, err
	}
	if theirs, err = w.build(ctx, false); err != nil {
		return nil, nil, err
	}
	if err = w.apply(p.name); err != nil {
		return nil, nil, err
	}
	moved, err = w.build(ctx, true)
	return theirs, moved, err
}

func (w *workspace) build(ctx context.Context, moved bool) (*build, error) {
	b := &build{w, filepath.Join(w.dir, fmt.Sprintf("moved=%t", moved))}
	args := []string{"test", "-c", "-vet=off", "-modfile=" + w.modfile, "-o", b.binary}
	if moved {
		args = append(args, "-covermode=atomic", "-coverpkg="+prefix+w.program.handle)
	}
	_, err := goCommand(ctx, append(args, w.program.pkg)...)
	return b, err
}
