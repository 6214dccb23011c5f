package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// series returns values of a heap that varies and grows by that much in all.
func series(n int, grows float64) []float64 {
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, n)
	for i := range values {
		values[i] = 40 + grows*float64(i)/float64(n) + 4*random.Float64()
		if i%50 == 0 {
			values[i] += 100 // which is one's bad luck
		}
	}
	return values
}

func TestGrowth(t *testing.T) {
	assert.InDelta(t, 0, growth(series(1000, 0)), 1)
	assert.InDelta(t, 4, growth(series(1000, 4)), 1)
	assert.InDelta(t, 4, growth(series(100, 4)), 2)
	assert.InDelta(t, -4, growth(series(1000, -4)), 1)
	assert.Equal(t, 2.0, growth([]float64{1, 2}))
	assert.Zero(t, growth([]float64{1}))
	assert.Zero(t, growth(nil))
}

func TestJudge(t *testing.T) {
	l := level{name: "heap", unit: "MiB", atRest: 1, drift: 2}
	for _, tt := range []struct {
		what                 string
		before, after, grown float64
		half                 time.Duration
		why                  string
	}{
		{"flat", 30, 30.9, 1.9, time.Hour, ""},
		{"less than before", 30, 10, 0, time.Hour, ""},
		{"more at rest", 30, 31.1, 0, time.Hour, "at rest there is 1.1 MiB more than after the warm-up, and may be 1.0 MiB"},
		{"a slow leak", 30, 30, 4, time.Hour, "it grew by 4.0 MiB in the second half, and may by 2.0 MiB"},
		{"growth that is noise", 30, 30, 40, time.Second, ""},
		{"a slow loss", 30, 30, -4, time.Hour, ""},
	} {
		err := l.judge(tt.before, tt.after, tt.grown, tt.half)
		if tt.why == "" {
			assert.NoError(t, err, tt.what)
		} else {
			assert.ErrorContains(t, err, tt.why, tt.what)
		}
	}
}

// The expirations that are due are those that the kernel has counted from the start on.
func TestDue(t *testing.T) {
	p := period{earliest: 100, latest: 104, interval: 10}
	for now, want := range map[time.Duration][2]uint64{
		99: {0, 0}, 100: {0, 1}, 103: {0, 1}, 104: {1, 1}, 110: {1, 2}, 114: {2, 2}, 204: {11, 11},
	} {
		least, most := p.due(now, now)
		assert.Equal(t, want, [2]uint64{least, most}, now)
	}
}
