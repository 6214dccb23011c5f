package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// series returns samples of a heap that varies and grows by that much in all.
func series(n int, grows float64) []sample {
	random := rand.New(rand.NewPCG(1, 2))
	samples := make([]sample, n)
	for i := range samples {
		samples[i].at = time.Duration(i) * time.Second
		samples[i].heap = 40*mebi + grows*float64(i)/float64(n) + 4*mebi*random.Float64()
		if i%50 == 0 {
			samples[i].heap += 100 * mebi // which is one's bad luck
		}
	}
	return samples
}

func TestJudge(t *testing.T) {
	l := level{"heap", "MiB", func(s sample) float64 { return s.heap / mebi }, 1, 2}
	for _, tt := range []struct {
		what          string
		between       []sample
		before, after float64
		why           string
	}{
		{"flat", series(2000, 0), 30, 30.9, ""},
		{"less than before", series(2000, 0), 30, 10, ""},
		{"more at rest", series(2000, 0), 30, 31.1, "at rest there is 1.1 MiB more than after the warm-up, and may be 1.0 MiB"},
		{"a slow leak", series(2000, 8*mebi), 30, 30, "it grew by 4"},
		{"a slow leak, seen by few", series(200, 8*mebi), 30, 30, "it grew by "},
		{"growth that is noise", series(60, 80*mebi), 30, 30, ""},
		{"a slow loss", series(2000, -8*mebi), 30, 30, ""},
		{"no sample", nil, 30, 30, ""},
		{"one sample", series(1, 0), 30, 30, ""},
	} {
		_, err := l.judge(sample{heap: tt.before * mebi}, sample{heap: tt.after * mebi}, tt.between)
		if tt.why == "" {
			assert.NoError(t, err, tt.what)
		} else {
			assert.ErrorContains(t, err, tt.why, tt.what)
		}
	}
}

func TestThin(t *testing.T) {
	all := series(1234, 0)
	assert.Equal(t, all, thin(all, 1234))
	some := thin(all, 500)
	assert.Len(t, some, 500)
	assert.Equal(t, all[0], some[0])
	assert.Equal(t, all[1231], some[499])
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
