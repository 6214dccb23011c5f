package command

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Start is cmd.Start, with what change makes of a copy of cmd.SysProcAttr. The
// caller's is obeyed, and is the same afterwards; so are the errors.
func Start(cmd *exec.Cmd, change func(*syscall.SysProcAttr)) error {
	callers := cmd.SysProcAttr
	defer func() { cmd.SysProcAttr = callers }()

	var attr syscall.SysProcAttr
	if callers != nil {
		attr = *callers
	}
	change(&attr)
	cmd.SysProcAttr = &attr
	err := cmd.Start()
	if err != nil && callers == nil {
		err = directoryError(cmd.Dir, err)
	}
	return err
}

// directoryError returns err, the failure to start a command in dir, or the error of
// dir. Without a SysProcAttr, os.StartProcess checks dir first: if dir is invalid, the
// error names dir instead of the program.
func directoryError(dir string, err error) error {
	var start, stat *os.PathError
	if dir != "" && errors.As(err, &start) {
		if _, err := os.Stat(dir); errors.As(err, &stat) {
			stat.Op = "chdir"
			return stat
		}
	}
	return err
}
