package histogram

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestQuantile(t *testing.T) {
	var h Histogram
	_, ok := h.Quantile(500)
	assert.False(t, ok, "there are none")
	for i := 1; i <= 1000; i++ {
		h.Add(time.Duration(i) * time.Microsecond)
		_, ok := h.Quantile(999)
		assert.Equal(t, i == 1000, ok, "%d ticks", i)
	}
	for perMille, want := range map[uint64]float64{500: 500e3, 900: 900e3, 990: 990e3, 999: 999e3} {
		got, ok := h.Quantile(perMille)
		assert.True(t, ok)
		// The end of the bucket, which is so wide.
		assert.GreaterOrEqual(t, float64(got), want-1)
		assert.LessOrEqual(t, float64(got), want*math.Exp2(1.0/bucketsPerOctave))
	}
	assert.Equal(t, time.Millisecond, h.Max)
	assert.EqualValues(t, 1000, h.Count())
}

// One of a thousand ticks is later than p99.9.
func TestQuantileEdge(t *testing.T) {
	for late, want := range map[int]string{1: "1ms", 2: "1s"} {
		var h Histogram
		for range 1000 - late {
			h.Add(time.Millisecond)
		}
		for range late {
			h.Add(time.Second)
		}
		assert.Equal(t, want, h.QuantileText(999))
	}
}

// Counts over 2^54, and all times that there are.
func TestQuantileExtremes(t *testing.T) {
	h := Histogram{Max: time.Hour}
	h.Counts[bucket(time.Second)] = math.MaxUint64 / 2
	h.Counts[bucket(time.Hour)] = math.MaxUint64 / 4
	p50, _ := h.Quantile(500)
	assert.Equal(t, "1.01s", Brief(p50))
	p90, _ := h.Quantile(900)
	assert.Equal(t, time.Hour, p90, "no more than the greatest")

	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1, 2, math.MaxInt64} {
		var h Histogram
		h.Add(d)
		h.Add(d)
		got, ok := h.Quantile(500)
		assert.True(t, ok)
		assert.Equal(t, max(d, 0), got)
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                "0s",
		999:              "999ns",
		58149:            "58.1µs",
		999999:           "1ms",
		12345678:         "12.3ms",
		time.Hour + 1:    "1h0m0s",
		90 * time.Second: "1m30s",
	} {
		assert.Equal(t, want, Brief(d))
	}
}
