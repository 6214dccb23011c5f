package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/try"
)

// However many wait, and for whatever, all of them return with the error that says
// why.
func TestStorms(t *testing.T) {
	systest.NotEmulated(t, "the emulator lacks system calls that the program makes")
	var out bytes.Buffer
	require.NoError(t, storms(&out, 1_000))
	for _, kind := range calms {
		assert.Equal(t, len(endings), strings.Count(out.String(), kind.name), out.String())
	}
}

// raise fails if a goroutine does not wait or returns another error than expected.
func TestNoStorm(t *testing.T) {
	c := calms[0].open()
	require.NoError(t, c.close())
	for _, e := range endings {
		err := try.Run(func() { e.raise(c, 10) })
		if e.cancels {
			assert.ErrorContains(t, err, "a wait returned")
		} else {
			assert.NoError(t, err)
		}
	}
}
