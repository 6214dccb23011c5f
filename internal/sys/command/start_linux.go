package command

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
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
	defer openNull(cmd)()

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

// openNull opens the null device for the standard files that are nil, and returns a
// function that closes it and makes them nil again. cmd.Start would do the same with 15
// more system calls, because package os offers each file to the runtime's poller. If the
// null device cannot be opened, cmd.Start says so. The other files are not written to,
// because a goroutine of cmd reads cmd.Stdin.
func openNull(cmd *exec.Cmd) (undo func()) {
	noIn, noOut, noErr := cmd.Stdin == nil, cmd.Stdout == nil, cmd.Stderr == nil
	var opened []*os.File
	open := func(flags int) *os.File {
		number, err := unix.Open(os.DevNull, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil
		}
		opened = append(opened, os.NewFile(uintptr(number), os.DevNull))
		return opened[len(opened)-1]
	}
	if noIn {
		if null := open(unix.O_RDONLY); null != nil {
			cmd.Stdin = null
		}
	}
	if noOut || noErr {
		if null := open(unix.O_WRONLY); null != nil {
			if noOut {
				cmd.Stdout = null
			}
			if noErr {
				cmd.Stderr = null
			}
		}
	}
	return func() {
		if noIn {
			cmd.Stdin = nil
		}
		if noOut {
			cmd.Stdout = nil
		}
		if noErr {
			cmd.Stderr = nil
		}
		for _, file := range opened {
			_ = file.Close()
		}
	}
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
