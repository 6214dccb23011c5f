package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/test/internal/program"
)

const (
	ofGroup    = "the memory of a cgroup(7)"
	groupLimit = 16 << 20
)

// piece is a part of the limit.
var piece = bytes.Repeat([]byte("x"), 1<<20)

// memoryUsedUp has a child of a cgroup(7) write more into a memfd than the group may
// have. No call fails then: the kernel kills the child. The receiver must learn of
// that and must have every byte that was written.
func memoryUsedUp(a *attempt) {
	group, err := newMemoryGroup()
	a.must(err)
	a.later(func() { _ = os.Remove(group) })
	m, err := memfd.New("faults")
	closes(a, m, err)
	shared, err := m.File("faults")
	closes(a, shared, err)
	cmd, err := program.Child("fill", group)
	a.must(err)
	cmd.ExtraFiles = []*os.File{shared}
	filling, err := pidfd.Start(cmd)
	closes(a, filling, err)
	status, err := filling.WaitContext(context.Background())
	a.must(err)
	a.must(gives(unix.SIGKILL)(status.Signal, nil))
	size, err := m.Size()
	a.must(err)
	if size < int64(len(piece)) || size > groupLimit {
		a.must(fmt.Errorf("%d bytes in a group of %d", size, groupLimit))
	}
	written := make([]byte, size)
	a.must(second(m.ReadAt(written, 0)))
	a.must(gives(int(size))(bytes.Count(written, piece[:1]), nil))
	a.must(second(m.WriteAt(piece, size))) // this process is of another group
}

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
	for range 2 * groupLimit / len(piece) {
		if _, err := m.Write(piece); err != nil {
			return err
		}
	}
	return fmt.Errorf("the group's limit of %d bytes lets %d pass", groupLimit, 2*groupLimit)
}

// newMemoryGroup makes a group below this process's own. If the error is one of
// systest.Refused, this process cannot limit the memory of another.
func newMemoryGroup() (dir string, err error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	groups := make(map[string]string) // by their controllers, "" in version 2
	for line := range strings.Lines(string(text)) {
		if fields := strings.SplitN(strings.TrimSpace(line), ":", 3); len(fields) == 3 {
			groups[fields[1]] = fields[2]
		}
	}
	parent, limit, swap := filepath.Join("/sys/fs/cgroup", groups[""]), "memory.max", "memory.swap.max"
	if group, ok := groups["memory"]; ok {
		parent, limit, swap = filepath.Join("/sys/fs/cgroup/memory", group), "memory.limit_in_bytes", "memory.swappiness"
	} else if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
		if errors.Is(err, unix.EBUSY) { // because the group has processes
			err = fmt.Errorf("%w (%w)", err, unix.EPERM)
		}
		return "", err
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
