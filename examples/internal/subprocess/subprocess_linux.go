// Package subprocess starts commands as execvp(3) does, and copies their standard error.
package subprocess

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

// The exit statuses of a program that could not start a command, as timeout(1) has them.
const (
	StatusFailed    = 125 // the program itself failed
	StatusCannotRun = 126 // the command was found and could not be run
	StatusNotFound  = 127 // the command was not found
)

// Start starts a command with the standard input and output of this process. If that fails,
// it also returns one of the statuses.
func Start(args []string, stderr *os.File) (*exec.Cmd, *pidfd.PidFD, int, error) {
	cmd := exec.Command(args[0], args[1:]...)
	if _, set := os.LookupEnv("PATH"); !set && errors.Is(cmd.Err, exec.ErrNotFound) {
		for _, dir := range []string{"/bin", "/usr/bin"} { // where execvp(3) looks then
			if path, err := exec.LookPath(filepath.Join(dir, args[0])); err == nil {
				cmd.Path, cmd.Err = path, nil
				break
			}
		}
	}
	if errors.Is(cmd.Err, exec.ErrDot) {
		cmd.Err = nil // that PATH has the current directory is the user's choice
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, stderr
	child, err := pidfd.Start(cmd)
	if errors.Is(err, unix.ENOEXEC) {
		// A script without a #! line is for the shell.
		return Start(append([]string{"/bin/sh", cmd.Path}, args[1:]...), stderr)
	}
	return cmd, child, status(args[0], err), err
}

func status(name string, err error) int {
	missing := name == "" || errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM),
		errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return StatusFailed
	case missing && !deniedInPath(name):
		return StatusNotFound
	}
	return StatusCannotRun
}

// deniedInPath reports whether execvp(3) meets EACCES while it looks for name in PATH: for a
// file that is not executable, or a directory that may not be searched. exec.LookPath does
// not tell these from a file that is not there.
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
