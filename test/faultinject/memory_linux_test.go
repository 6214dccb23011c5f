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
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
)

const groupLimit = 16 << 20

// piece is a part of the limit.
var piece = bytes.Repeat([]byte("x"), 1<<20)

// A child of a cgroup(7) writes more into a memfd than the group may have. No call fails
// then: the kernel kills the child. The receiver must learn of that and must have every
// byte that was written.
func TestMemoryLimit(t *testing.T) {
	if systest.IsChild(t.Name()) {
		fill(t, os.Getenv("GROUP"))
	}
	group, err := newMemoryGroup()
	systest.Need(t, "a cgroup whose memory this process may limit", err)
	defer os.Remove(group)
	m := newFile(t)
	shared, err := m.File("faults")
	require.NoError(t, err)
	defer shared.Close()
	cmd := systest.Child(t, t.Name())
	cmd.Env = append(cmd.Env, "GROUP="+group)
	cmd.ExtraFiles = []*os.File{shared}
	filling, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer filling.Close()
	status, err := filling.WaitContext(context.Background())
	require.NoError(t, err)
	require.Equal(t, unix.SIGKILL, status.Signal)
	_, _ = cmd.Wait(), cmd.Process.Release() // the handle has reaped it
	size, err := m.Size()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, size, int64(len(piece)))
	assert.LessOrEqual(t, size, int64(groupLimit))
	written := make([]byte, size)
	require.NoError(t, second(m.ReadAt(written, 0)))
	assert.Equal(t, int(size), bytes.Count(written, piece[:1]))
	assert.NoError(t, second(m.WriteAt(piece, size))) // this process is of another group
}

// fill is the child's part.
func fill(t *testing.T, group string) {
	// The kernel takes 0 for the process that writes it.
	require.NoError(t, os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0))
	m, err := memfd.FromFD(fd.New(3))
	require.NoError(t, err)
	for range 2 * groupLimit / len(piece) {
		require.NoError(t, second(m.Write(piece)))
	}
	t.Fatalf("the group's limit of %d bytes lets %d pass", groupLimit, 2*groupLimit)
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
