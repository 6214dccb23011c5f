package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
)

func TestMain(m *testing.M) {
	program.Play(roles)
	systest.Main(m)
}

const few = 2

func TestRowMeasuresEachWay(t *testing.T) {
	names := make(map[string]bool)
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) {
			assert.False(t, names[r.name], "the name is unique")
			names[r.name] = true

			var all report
			require.NoError(t, try.Run(func() { r.measure(span{Rounds: few}, &all) }))
			if len(all.Results) == 1 {
				assert.Contains(t, strings.Join(all.Notes, "\n"), "iofd is left out")
				return
			}
			assert.EqualValues(t, 1, all.Results[0].Median)
			assert.Regexp(t, "^iofd", all.Results[1].Way)
			if r.variant != nil {
				assert.Equal(t, r.variant.name, all.Results[len(all.Results)-1].Way)
			}
			for _, w := range all.Results {
				assert.Equal(t, r.name, w.Row, w.Way)
				assert.Positive(t, w.Each, w.Way)
				assert.Positive(t, w.Low, w.Way)
				assert.LessOrEqual(t, w.Low, w.Median, w.Way)
				assert.LessOrEqual(t, w.Median, w.High, w.Way)
				if strings.HasPrefix(w.Way, "C, ") {
					assert.EqualValues(t, -1, w.Allocs, w.Way)
				}
			}
		})
	}
}

func TestVariantIsMeasuredInItsProcess(t *testing.T) {
	theirs := inChild("variant", task{"eventfd Signal+Wait", span{Rounds: few}}, atomicCount.env)
	require.Len(t, theirs.Results, 2)
	assert.Equal(t, "bare calls", theirs.Results[0].Way)
	assert.Equal(t, "iofd", theirs.Results[1].Way)
	assert.Error(t, try.Run(func() { inChild("variant", task{"no such row", span{}}) }))
}

func TestRowFailsWithItsWays(t *testing.T) {
	measure := func(r row) error { return try.Run(func() { r.measure(span{Rounds: 1}, new(report)) }) }
	broken := errors.New("broken")
	closed := 0
	for _, failAt := range []int{0, 1, 2, 3} {
		runs := 0
		err := measure(row{name: "row", open: func(o *opened) []way {
			o.atEnd(func() error { closed++; return nil })
			if failAt == 0 {
				try.Check(broken)
			}
			sound := timed("sound", func(int) { time.Sleep(shortRound) })
			return []way{sound, timed("iofd", func(int) {
				if runs++; runs == failAt {
					try.Get(0, broken)
				}
			})}
		}})
		assert.ErrorIs(t, err, broken, failAt)
		assert.Equal(t, failAt > 0, strings.HasPrefix(err.Error(), "row: iofd: "), "an error of run names the way: %v", err)
	}
	assert.Equal(t, 4, closed)

	assert.ErrorIs(t, measure(row{open: func(o *opened) []way {
		o.atEnd(func() error { return broken })
		return []way{timed("only", func(int) { time.Sleep(shortRound) })}
	}}), broken)
}

func TestInParallelReturnsError(t *testing.T) {
	broken := errors.New("broken")
	assert.ErrorIs(t, try.Run(func() { inParallel(3, func(int) { try.Check(broken) })(3) }), broken)
}

func TestSpanEndsAfterRoundsOrTime(t *testing.T) {
	count := func(s span) (n int) {
		for start := time.Now(); s.more(n, start); n++ {
		}
		return n
	}
	assert.Equal(t, 7, count(span{Rounds: 7, Time: time.Hour}))
	assert.Equal(t, fewest, count(span{}))
	start := time.Now()
	assert.Greater(t, count(span{Time: 10 * time.Millisecond}), fewest)
	assert.GreaterOrEqual(t, time.Since(start), 10*time.Millisecond)
}

func TestQuantileSortsCopy(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for part, want := range []float64{1, 2, 3, 4} {
		assert.Equal(t, want, quantile(values, part, 4))
	}
	assert.Equal(t, []float64{5, 1, 4, 2, 3}, values)
}

func TestMeasureInMatchesNames(t *testing.T) {
	for _, processes := range []int{1, 2} {
		all := measureIn(processes, task{"^timerfd|^memory", span{Rounds: few}})
		names := all.rows()
		require.Len(t, names, 2, processes)
		assert.Equal(t, "timerfd Arm", names[0][0].Row)
		assert.Equal(t, "memory of an open handle in the process", names[1][0].Row)
		assert.Equal(t, "B", names[1][0].Unit)
	}
	err := try.Run(func() { measureIn(1, task{"no such row", span{Rounds: few}}) })
	assert.ErrorContains(t, err, "no row matches no such row")
	assert.Error(t, try.Run(func() { measureIn(2, task{"no such row", span{Rounds: few}}) }))
}

func TestMediansAreOverProcesses(t *testing.T) {
	var all []*report
	for _, factor := range []float64{1, 5, 3, 4, 2} {
		r := sample()
		way := &r.Results[1]
		way.Median, way.Each, way.Allocs = factor, 10*factor, 100*factor
		all = append(all, r)
	}
	got := medians(all)
	assert.Equal(t, result{"work <1>", "iofd", 2, 3, 4, 30, "ns", 300}, got.Results[1])
	assert.Equal(t, sample().Notes, got.Notes)

	all[1].Results = all[1].Results[:1]
	assert.Error(t, try.Run(func() { medians(all) }))
}

// sample has numbers of all sizes. One way counts no allocations, and one is far
// beyond the scale.
func sample() *report {
	return &report{
		Results: []result{
			{"work <1>", "bare calls", 1, 1, 1, 792, "ns", 0},
			{"work <1>", "iofd", 0.98, 1.0234, 1.07, 800, "ns", 0.04},
			{"work <1>", "C", 12.345, 23.456, 234.56, 16000, "ns", -1},
			{"work <1>", "channel", 0.01, 0.02, 0.03, 9, "ns", 1.96},
			{"more work", "exec.Cmd", 1, 1, 1, 1283868, "ns", 34},
			{"more work", "iofd", 0.6, 1.2, 1.3, 1300000, "ns", 43.27},
			{"memory", "os.File", 1, 1, 1, 1377.3, "B", -1},
		},
		Notes: []string{"more work: something is left out"},
	}
}

func TestTableShowsResults(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, sample().print(&text))
	lines := strings.Split(text.String(), "\n")
	for i, want := range []string{
		"work by ratio quartiles allocs on this machine",
		"work <1> bare calls 1.000 0 792 ns",
		"iofd 1.023 0.980–1.070 0 800 ns",
		"C 23.456 12.345–234.560 – 16 µs",
		"channel 0.020 0.010–0.030 2 9 ns",
		"more work exec.Cmd 1.000 34 1.28 ms",
		"iofd 1.200 0.600–1.300 43.3 1.3 ms",
		"memory os.File 1.000 – 1377 B",
	} {
		assert.Equal(t, want, strings.Join(strings.Fields(lines[i]), " "))
	}
	assert.Contains(t, text.String(), "\nmore work: something is left out\n")
}

func TestPlotShowsRatios(t *testing.T) {
	var words []string
	for in := xml.NewDecoder(bytes.NewReader(sample().plot().Bytes())); ; {
		token, err := in.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if data, ok := token.(xml.CharData); ok {
			words = append(words, string(data))
		}
	}
	for _, want := range []string{"work <1>", "1 = bare calls, 792 ns here", "iofd", "1.023", "C", "23.456", "channel", "0.020", "more work", "1 = exec.Cmd, 1.28 ms here", "1.200"} {
		assert.Contains(t, words, want)
	}
	assert.NotContains(t, words, "memory", "the picture is of times")
}

func TestBriefRoundsToThreeDigits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ns", 792: "792 ns", 1049: "1.05 µs", 52_700: "52.7 µs", 1_283_868: "1.28 ms", 2 * time.Minute: "120 s",
	} {
		assert.Equal(t, want, brief(d), fmt.Sprint(int64(d)))
	}
}
