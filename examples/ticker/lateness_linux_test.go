package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestQuantile(t *testing.T) {
	var l lateness
	_, ok := l.quantile(500)
	assert.False(t, ok, "there are none")
	for i := 1; i <= 1000; i++ {
		l.add(time.Duration(i) * time.Microsecond)
		_, ok := l.quantile(999)
		assert.Equal(t, i == 1000, ok, "%d ticks", i)
	}
	for perMille, want := range map[uint64]float64{500: 500e3, 900: 900e3, 990: 990e3, 999: 999e3} {
		got, ok := l.quantile(perMille)
		assert.True(t, ok)
		// The end of the bucket, which is so wide.
		assert.GreaterOrEqual(t, float64(got), want-1)
		assert.LessOrEqual(t, float64(got), want*math.Exp2(1.0/bucketsPerOctave))
	}
	assert.Equal(t, time.Millisecond, l.Max)
	assert.EqualValues(t, 1000, l.measured())
}

// One of a thousand ticks is later than p99.9.
func TestQuantileEdge(t *testing.T) {
	for late, want := range map[int]string{1: "1ms", 2: "1s"} {
		var l lateness
		for range 1000 - late {
			l.add(time.Millisecond)
		}
		for range late {
			l.add(time.Second)
		}
		assert.Equal(t, want, l.quantileText(999))
	}
}

// Counts over 2^54, and all times that there are.
func TestQuantileExtremes(t *testing.T) {
	l := lateness{Max: time.Hour}
	l.Counts[bucket(time.Second)] = math.MaxUint64 / 2
	l.Counts[bucket(time.Hour)] = math.MaxUint64 / 4
	p50, _ := l.quantile(500)
	assert.Equal(t, "1.01s", brief(p50))
	p90, _ := l.quantile(900)
	assert.Equal(t, time.Hour, p90, "no more than the greatest")

	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1, 2, math.MaxInt64} {
		var l lateness
		l.add(d)
		l.add(d)
		got, ok := l.quantile(500)
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
		assert.Equal(t, want, brief(d))
	}
}
