package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/test/internal/program"
)

const ofGroup = "the memory of a cgroup(7)"

const (
	piece      = 1 << 20
	groupLimit = 16 * piece
)

// memoryUsedUp has a child of a cgroup(7) write more into a memfd than the group may
// have. No call fails then: the kernel kills the child. The receiver must learn of
// that and must have every byte that was written.
func memoryUsedUp() error {
	group, err := newMemoryGroup()
	if err != nil {
		return err
	}
	defer os.Remove(group)
	m, err := memfd.New("faults")
	if err != nil {
		return err
	}
	defer m.Close()
	shared, err := m.File("faults")
	if err != nil {
		return err
	}
	defer shared.Close()
	cmd, err := program.Child("fill", group)
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{shared}
	filling, err := pidfd.Start(cmd)
	if err != nil {
		return err
	}
	defer filling.Close()
	status, err := filling.WaitContext(context.Background())
	if err != nil {
		return err
	}
	if status.Signal != unix.SIGKILL {
		return fmt.Errorf("over the group's limit the child had %v", status)
	}
	size, err := m.Size()
	if err != nil {
		return err
	}
	if size < piece || size > groupLimit {
		return fmt.Errorf("%d bytes in a group of %d", size, groupLimit)
	}
	written := make([]byte, size)
	if _, err := m.ReadAt(written, 0); err != nil {
		return err
	}
	if at := slices.IndexFunc(written, func(b byte) bool { return b != filled }); at >= 0 {
		return fmt.Errorf("byte %d of %d was not written", at, size)
	}
	return second(m.WriteAt(make([]byte, piece), size)) // we are of another group
}

const filled = 'x'

// fill is the child's part.
func fill(group string) error {
	// The kernel takes 0 for the process that writes it.
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0); err != nil {
		return err
	}
	m, err := memfd.FromFD(fd.New(3))
	if err != nil {
		return err
	}
	for range 2 * groupLimit / piece {
		if _, err := m.Write(slices.Repeat([]byte{filled}, piece)); err != nil {
			return err
		}
	}
	return fmt.Errorf("the group's limit of %d bytes lets %d pass", groupLimit, 2*groupLimit)
}

// errNoGroup says that this process cannot limit the memory of another.
var errNoGroup = fmt.Errorf("%w: no cgroup whose memory this process may limit", errors.ErrUnsupported)

// newMemoryGroup makes a group below this process's own.
func newMemoryGroup() (dir string, err error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	const mounted = "/sys/fs/cgroup"
	var parent, limit, swap string
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if slices.Contains(strings.Split(fields[1], ","), "memory") {
			parent, limit, swap = filepath.Join(mounted, "memory", fields[2]), "memory.limit_in_bytes", "memory.swappiness"
			break
		}
		if fields[0] == "0" { // version 2, where version 1 does not have the memory
			parent, limit, swap = filepath.Join(mounted, fields[2]), "memory.max", "memory.swap.max"
		}
	}
	defer func() {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EBUSY) {
			err = fmt.Errorf("%w: %w", errNoGroup, err)
		}
	}()
	if limit == "memory.max" {
		if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
			return "", err
		}
	}
	if dir, err = os.MkdirTemp(parent, "faults"); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, limit), []byte(strconv.Itoa(groupLimit)), 0); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	_ = os.WriteFile(filepath.Join(dir, swap), []byte("0"), 0) // not there without swap
	return dir, nil
}
