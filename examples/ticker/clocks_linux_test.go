package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The clocks tell a resume from a clock that was set.
func TestSuspended(t *testing.T) {
	now, err := readClocks()
	require.NoError(t, err)
	for what, c := range map[string]struct{ set, suspended time.Duration }{
		"nothing":  {0, 0},
		"set":      {time.Hour, 0},
		"set back": {-time.Hour, 0},
		"resume":   {0, 7 * time.Second},
		"both":     {-time.Minute, 7 * time.Second},
	} {
		later := reading{
			now.Round(0).Add(time.Second + c.suspended + c.set),
			now.monotonic + time.Second,
			now.boot + time.Second + c.suspended,
		}
		set, suspended := later.since(now)
		assert.Equal(t, c.set, set, what)
		assert.Equal(t, c.suspended, suspended, what)
	}
	later, err := readClocks()
	require.NoError(t, err)
	assert.Greater(t, later.boot, now.boot)
	assert.Greater(t, later.monotonic, now.monotonic)
}

func TestSaysSuspended(t *testing.T) {
	for _, c := range []struct {
		set, suspended time.Duration
		want           string
		sets           int
	}{
		{time.Hour, 0, "the clock was set by +3600.000000 s", 1},
		{0, 0, "the clock was set by +0.000000 s", 1},
		{0, 7 * time.Second, "the machine was suspended for 7s", 0},
		{20 * time.Microsecond, 7 * time.Second, "the machine was suspended for 7s", 0},
		{-time.Second, 7 * time.Second, "the machine was suspended for 7s, and the clock was set by -1.000000 s", 1},
	} {
		text, sets := describe(c.set, c.suspended)
		assert.Equal(t, c.want, text)
		assert.Equal(t, c.sets, sets)
	}
}
