package memfd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/command"
)

// Start starts cmd like cmd.Start, with the file as the program. The file must be
// executable, see [Executable], and is an ELF program or a script. It may be sealed.
//
// The child gets the file as one more descriptor after cmd.ExtraFiles. If cmd has n
// ExtraFiles, the child executes /proc/self/fd/K with K = 3+n. An interpreter opens a
// script by that path, so the descriptor is not close-on-exec. An ELF program inherits it
// too, and may close it. It has the access mode of m: the program can write to the file
// if the file is not sealed.
//
// Start ignores cmd.Path, and the error in cmd.Err if it is of the lookup of a path. The
// child gets cmd.Args as they are, so a program finds the name of exec.Command in
// Args[0]. The interpreter of a script gets the path instead. After Start, the fields of
// cmd are as before, except those that cmd.Start sets.
//
// The child needs /proc, also below SysProcAttr.Chroot. If /proc is not mounted here or not
// procfs, the error matches errors.ErrUnsupported.
//
// Start returns the errors of cmd.Start, which name cmd.Path: EACCES if the file is not
// executable, and ENOEXEC if it is not a program. It returns ETXTBSY while a process has
// opened the file for writing through /proc. It returns EINVAL if cmd is nil, and
// [fd.ErrClosed] if m is closed. As after cmd.Start, a command that failed cannot be
// started again, and its pipes are closed.
func (m *MemFD) Start(cmd *exec.Cmd) error {
	switch {
	case cmd == nil && m.Valid():
		return sys.Invalid("memfd: Start: command is nil")
	case cmd == nil:
		return fd.ErrClosed
	}
	file, err := m.executable()
	if err == nil {
		defer file.Close()
	}
	// If cmd.Err is set, cmd.Start closes the pipes of cmd and returns the error.
	defer func(before error) { cmd.Err = before }(cmd.Err)
	lookup := (*exec.Error)(nil)
	if err != nil || errors.As(cmd.Err, &lookup) {
		cmd.Err = err
	}
	return command.Start(cmd, func(cmd *exec.Cmd) {
		cmd.Path = fmt.Sprintf("/proc/self/fd/%d", 3+len(cmd.ExtraFiles))
		cmd.ExtraFiles = append(slices.Clip(cmd.ExtraFiles), file)
	})
}

// executable returns a duplicate for a child, if /proc is procfs.
func (m *MemFD) executable() (*os.File, error) {
	err := m.use(func(number int) error {
		_, err := sys.Object(number)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m.File(m.name)
}
