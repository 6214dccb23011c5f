package try

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRunReturnsFirstError(t *testing.T) {
	broken := errors.New("broken")
	got, after := 0, false
	err := Run(func() {
		Check(nil)
		got = Get(1, nil)
		Get(2, broken)
		after = true
	})
	assert.Equal(t, broken, err)
	assert.Equal(t, 1, got)
	assert.False(t, after)
	assert.Equal(t, broken, Run(func() { Check(broken) }))
	assert.NoError(t, Run(func() {}))
}

func TestRunPassesOtherPanics(t *testing.T) {
	assert.PanicsWithValue(t, "other", func() { _ = Run(func() { panic("other") }) })
}
