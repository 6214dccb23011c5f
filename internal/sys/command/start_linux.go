package command

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Start calls cmd.Start after change has edited cmd. Start gives change a copy of
// cmd.SysProcAttr, never nil. Afterwards Start restores the Path, Args, ExtraFiles and
// SysProcAttr of the caller.
//
// The errors are those of cmd.Start without the change. An error that names the Path
// set by change names the caller's Path instead.
func Start(cmd *exec.Cmd, change func(*exec.Cmd)) error {
	path, args, files, callers := cmd.Path, cmd.Args, cmd.ExtraFiles, cmd.SysProcAttr
	defer func() { cmd.Path, cmd.Args, cmd.ExtraFiles, cmd.SysProcAttr = path, args, files, callers }()

	if len(cmd.Args) == 0 {
		cmd.Args = []string{path} // as cmd.Start does, whatever change makes of Path
	}
	cmd.SysProcAttr = new(syscall.SysProcAttr)
	if callers != nil {
		*cmd.SysProcAttr = *callers
	}
	change(cmd)
	err := cmd.Start()
	var start *os.PathError
	if errors.As(err, &start) {
		if start.Path == cmd.Path {
			start.Path = path
		}
		if callers == nil {
			err = directoryError(cmd.Dir, err)
		}
	}
	return err
}

// directoryError returns err, the failure to start a command in dir, or the error of
// dir. Without a SysProcAttr, os.StartProcess checks dir first: if dir is invalid, the
// error names dir instead of the program.
func directoryError(dir string, err error) error {
	var stat *os.PathError
	if dir != "" {
		if _, err := os.Stat(dir); errors.As(err, &stat) {
			stat.Op = "chdir"
			return stat
		}
	}
	return err
}
