package main

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/program"
)

// covered is false for a call that is neither tried nor explained.
func TestCovered(t *testing.T) {
	_, ok := covered(site{"fd", "kcmp"})
	assert.True(t, ok, "tried")
	_, ok = covered(site{"pidfd", "kill"})
	assert.True(t, ok, "explained")
	_, ok = covered(site{"fd", "brand_new"})
	assert.False(t, ok)
	assert.Equal(t, "call 999", callName(999, new([6]uint64)))
}

func TestMain(m *testing.M) {
	program.Play(roles)
	systest.Main(m)
}

// Every trial passes with every errno.
func TestFaults(t *testing.T) {
	with := errnos
	if testing.Short() {
		with = []unix.Errno{unix.EINTR, unix.EAGAIN, unix.EMFILE, unix.EPERM}
	}
	rows, err := tryAll(everything, with)
	require.NoError(t, err)
	for _, tr := range trials {
		if err := tr.forbidden(); err != nil {
			t.Run(tr.op+", "+tr.call, func(t *testing.T) { systest.Need(t, tr.call, err) })
		}
	}
	for _, r := range rows {
		for i, c := range r.cells {
			assert.NotEmpty(t, c.Outcomes, "%s, %s: %v", r.op, r.call, with[i])
		}
		assert.Len(t, r.cells, len(with), "%s, %s", r.op, r.call)
	}
}

// In each sandbox, each feature works, or its error says what is missing.
func TestSandboxes(t *testing.T) {
	for i := range sandboxes {
		p := &sandboxes[i]
		t.Run(p.name, func(t *testing.T) {
			results, err := p.run(i)
			if errors.Is(err, errNotHere) {
				t.Skipf("needs such a sandbox: %v", err)
			}
			require.NoError(t, err)
			assert.Empty(t, p.unexpected(results))
		})
	}
}

// The operations meet the kernel's own limits.
func TestLimits(t *testing.T) {
	group, noGroup := newMemoryGroup()
	if noGroup == nil {
		require.NoError(t, os.Remove(group))
	}
	for i, l := range limits {
		t.Run(l.name, func(t *testing.T) {
			if l.name == ofGroup && errors.Is(noGroup, errNoGroup) {
				t.Skipf("needs a cgroup: %v", noGroup)
			}
			cmd, err := program.Child("limit", fmt.Sprint(i))
			require.NoError(t, err)
			assert.NoError(t, cmd.Run())
		})
	}
}

// The documentation has every trial, limit and sandbox: go run ./test/faultinject >doc/reports/faultinject.md
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../doc/reports/faultinject.md")
	require.NoError(t, err)
	for _, r := range trials {
		assert.Contains(t, string(page), fmt.Sprintf("\n| %s | %s | `%s` |", r.by, r.call, r.op))
	}
	for _, l := range limits {
		assert.Contains(t, string(page), "\n| "+l.name+" | "+l.effect+" |")
	}
	for _, p := range sandboxes {
		assert.Contains(t, string(page), "\n| "+p.name+" |")
	}
}
