package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCurveHasPointForEachCount(t *testing.T) {
	for _, c := range curves {
		t.Run(c.file, func(t *testing.T) {
			c.counts, c.round = c.counts[:2], shortRound
			var table bytes.Buffer
			result, err := c.measure(span{rounds: few}, &table)
			require.NoError(t, err)
			assert.Equal(t, c.counts, result.at)
			require.Len(t, result.points, len(c.counts))
			picture := string(result.plot().Bytes())
			for i, w := range result.points[0].Ways {
				assert.Positive(t, w.Each, w.Name)
				assert.Equal(t, w.Name, result.points[1].Ways[i].Name)
				assert.Equal(t, 2, strings.Count(table.String(), w.Name+" "), w.Name)
				assert.Contains(t, picture, w.Name)
			}
			assert.Contains(t, picture, c.title)
			assert.Contains(t, picture, c.axis)
		})
	}
}

func TestCurveEndsAtLimitOfDescriptors(t *testing.T) {
	var counts []int
	c := curve{counts: []int{1, 1 << 30, 5}, descriptors: 1, open: func(_ *opened, count int) []way {
		counts = append(counts, count)
		return []way{timed("sleep", func(int) { time.Sleep(shortRound) })}
	}}
	var table bytes.Buffer
	result, err := c.measure(span{rounds: few}, &table)
	require.NoError(t, err)
	assert.Equal(t, counts, result.at)
	require.Len(t, counts, 2)
	assert.Less(t, counts[1], 1<<30)
	assert.Contains(t, table.String(), "1073741824  are too many")
}

func TestScaleMatchesNames(t *testing.T) {
	dir := t.TempDir()
	short := span{rounds: few}
	assert.ErrorContains(t, measureScale(dir, regexp.MustCompile("no such"), short, io.Discard, io.Discard), "no such")
	assert.Error(t, measureScale(filepath.Join(dir, "no"), regexp.MustCompile("^captures$"), short, io.Discard, io.Discard))
	require.NoError(t, measureScale(dir, regexp.MustCompile("^captures$"), short, io.Discard, io.Discard))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
	assert.Equal(t, "scale-captures.svg", files[0].Name())
}
