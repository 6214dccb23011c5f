package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
)

// startCommand starts a command with our standard streams, its standard error
// through the copy if there is one.
func startCommand(command []string, stderr *stderrCopy) (*exec.Cmd, *pidfd.PidFD, error) {
	cmd := exec.Command(command[0], command[1:]...)
	if errors.Is(cmd.Err, exec.ErrDot) {
		cmd.Err = nil // that PATH has the current directory is the user's choice
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if stderr != nil {
		cmd.Stderr = stderr.command
	}
	child, err := pidfd.Start(cmd)
	if errors.Is(err, unix.ENOEXEC) {
		// A script without a #! line is for the shell, as execvp(3) has it.
		return startCommand(append([]string{"/bin/sh", cmd.Path}, command[1:]...), stderr)
	}
	return cmd, child, err
}

// startStatus returns our exit status when a command could not be started.
func startStatus(name string, err error) int {
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM),
		errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return statusFailed
	case (errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist)) && deniedInPath(name):
		return statusCannotRun
	case name == "", errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return statusNotFound
	}
	return statusCannotRun
}

// deniedInPath reports whether execvp(3) meets EACCES while it looks for name in PATH. It
// does for a file that is not executable, and in a directory that may not be searched.
// exec.LookPath does not tell these from a file that is not there.
func deniedInPath(name string) bool {
	if name == "" || strings.Contains(name, "/") {
		return false
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if errors.Is(err, unix.EACCES) || err == nil && (info.IsDir() || unix.Access(path, unix.X_OK) == unix.EACCES) {
			return true
		}
	}
	return false
}
