package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/test/internal/try"
)

func TestCurveHasPointForEachCount(t *testing.T) {
	for _, c := range curves {
		t.Run(c.file, func(t *testing.T) {
			c.counts, c.round = c.counts[:2], shortRound
			rows, counts := c.rows()
			assert.Equal(t, c.counts, counts)
			var all *report
			require.NoError(t, try.Run(func() { all = measureRows(rows, span{Rounds: few}) }))
			points := all.rows()
			require.Len(t, points, len(c.counts))
			picture := string(c.plot(points, counts).Bytes())
			for i, w := range points[0] {
				assert.Positive(t, w.Each, w.Way)
				assert.Equal(t, w.Way, points[1][i].Way)
				assert.Contains(t, picture, w.Way)
			}
			assert.Contains(t, picture, c.title)
			assert.Contains(t, picture, c.axis)
		})
	}
}

func TestCurveEndsAtLimitOfDescriptors(t *testing.T) {
	rows, counts := curve{file: "c", counts: []int{1, 1 << 30, 5}, descriptors: 1}.rows()
	require.Len(t, counts, 2)
	assert.Less(t, counts[1], 1<<30)
	require.Len(t, rows, 2)
	assert.Equal(t, fmt.Sprint("c, ", counts[1]), rows[1].name)
}

func TestScaleMatchesNames(t *testing.T) {
	dir := t.TempDir()
	scale := func(dir, run string, w io.Writer) error {
		return try.Run(func() { measureScale(dir, task{run, span{Rounds: few}}, w) })
	}
	assert.ErrorContains(t, scale(dir, "no such", io.Discard), "no such")
	assert.Error(t, scale(filepath.Join(dir, "no"), "^captures$", io.Discard))
	var table bytes.Buffer
	require.NoError(t, scale(dir, "^captures$", &table))
	assert.Contains(t, table.String(), "captures, 30 ")
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
	assert.Equal(t, "scale-captures.svg", files[0].Name())
}
