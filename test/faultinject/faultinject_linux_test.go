package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/program"
)

// covered is false for a call that is neither tried nor explained.
func TestCovered(t *testing.T) {
	assert.True(t, covered(site{"fd", "kcmp"}), "tried")
	assert.True(t, covered(site{"pidfd", "kill"}), "explained")
	assert.False(t, covered(site{"fd", "brand_new"}))
	assert.Equal(t, "call 999", callName(999, new([6]uint64)))
}

func TestMain(m *testing.M) {
	program.Play(roles)
	systest.Main(m)
}

// Every trial passes with every errno.
func TestFaults(t *testing.T) {
	n := len(errnos)
	if testing.Short() {
		n = 4 // the most different ones
	}
	for i, tr := range trials {
		if tr.made != nil && !tr.made() {
			continue
		}
		t.Run(tr.op+", "+tr.call, func(t *testing.T) {
			t.Parallel()
			systest.Need(t, tr.call, tr.forbidden())
			outcomes, err := try(i, n)
			require.NoError(t, err)
			require.Len(t, outcomes, n)
			assert.NotContains(t, outcomes, "")
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
