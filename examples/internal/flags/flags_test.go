package flags

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseReturnsGivenFlags(t *testing.T) {
	s := New("program")
	var d time.Duration
	n := 5
	Var(s, "d", &d, Duration)
	Var(s, "n", &n, Count(1, 9))
	given, err := s.Parse([]string{"-d", "3s"})
	require.NoError(t, err)
	assert.Equal(t, map[string]bool{"d": true}, given)
	assert.Equal(t, 3*time.Second, d)
	assert.Equal(t, 5, n)
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"2": 2 * time.Second, "0.5": time.Second / 2, "1e-12": 1, "3ms": 3 * time.Millisecond} {
		d, err := Seconds(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, d, text)
	}
	for text, why := range map[string]string{"-1": "negative", "-1s": "negative", "-0": "negative", "NaN": "not a duration", "1e300": "not a duration"} {
		_, err := Seconds(text)
		assert.ErrorContains(t, err, why, text)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		err  string
	}{
		{[]string{"surplus"}, `unexpected argument "surplus": see program -h`},
		{[]string{"-h"}, ErrHelp.Error()},
		{[]string{"-n", "0"}, "from 1 to 9"},
		{[]string{"-n", "10"}, "from 1 to 9"},
		{[]string{"-n", "1.0"}, "from 1 to 9"},
		{[]string{"-d", "-1s"}, "must not be negative"},
		{[]string{"-d", "1"}, "not a duration"},
		{[]string{"-p", "0"}, "must be more than 0"},
		{[]string{"-p", "-1s"}, "must be more than 0"},
		{[]string{"-p", "soon"}, "not a duration"},
	} {
		s := New("program")
		var d time.Duration
		var n int
		Var(s, "d", &d, Duration)
		Var(s, "p", &d, Positive)
		Var(s, "n", &n, Count(1, 9))
		_, err := s.Parse(c.args)
		assert.ErrorContains(t, err, c.err)
	}
}
