package main

import (
	"fmt"
	"os"
	"strings"
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
	for i, tr := range trials {
		if tr.made != nil && !tr.made() {
			continue
		}
		t.Run(tr.op+", "+tr.call, func(t *testing.T) {
			t.Parallel()
			systest.Need(t, tr.call, tr.forbidden())
			cells, err := try(i, with)
			require.NoError(t, err)
			require.Len(t, cells, len(with))
			for j, c := range cells {
				assert.NotEmpty(t, c.Outcomes, with[j])
			}
		})
	}
}

// The documentation has every trial: go run ./test/faultinject >doc/reports/faultinject.md
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../doc/reports/faultinject.md")
	require.NoError(t, err)
	var rows []string
	for _, tr := range trials {
		rows = append(rows, fmt.Sprintf("\n| %s | %s | `%s` |", tr.by, tr.call, tr.op))
	}
	for _, row := range rows {
		assert.True(t, strings.Contains(string(page), row), row)
	}
}
