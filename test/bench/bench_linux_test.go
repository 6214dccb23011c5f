package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
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

			result, err := r.measure(span{rounds: few})
			require.NoError(t, err)
			if len(result.Ways) == 1 {
				assert.Contains(t, strings.Join(result.notes, "\n"), "iofd is left out")
				return
			}
			assert.EqualValues(t, 1, result.Ways[0].Median)
			assert.Positive(t, result.Ways[0].Each)
			assert.Regexp(t, "^iofd", result.Ways[1].Name)
			assert.Equal(t, r.bothCounts, result.Ways[min(2, len(result.Ways)-1)].Name == "iofd (atomic count)")
			for _, w := range result.Ways {
				assert.Positive(t, w.Low, w.Name)
				assert.LessOrEqual(t, w.Low, w.Median, w.Name)
				assert.LessOrEqual(t, w.Median, w.High, w.Name)
				if !strings.HasPrefix(w.Name, "C, ") {
					require.NotNil(t, w.Allocs, w.Name)
					assert.GreaterOrEqual(t, *w.Allocs, 0.0, w.Name)
				}
			}
		})
	}
}

func TestTallyFillsEachColumn(t *testing.T) {
	for _, tally := range tallies() {
		t.Run(tally.name, func(t *testing.T) {
			result, err := tally.measure(span{rounds: few})
			require.NoError(t, err)
			require.NotEmpty(t, result.Lines)
			for _, line := range result.Lines {
				assert.Len(t, line.Values, len(tally.columns), line.Name)
			}
		})
	}
}

func TestRowFailsWithItsWays(t *testing.T) {
	broken := errors.New("broken")
	closed := 0
	for _, failAt := range []int{0, 1, 2, 3} {
		runs := 0
		r := row{name: "row", open: func(o *opened) []way {
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
		}}
		_, err := r.measure(span{rounds: 1})
		assert.ErrorIs(t, err, broken, failAt)
		assert.Equal(t, failAt == 1 || failAt == 2, strings.HasPrefix(err.Error(), "iofd: "), "an error of run names the way: %v", err)
	}
	assert.Equal(t, 4, closed)

	failsToClose := row{open: func(o *opened) []way {
		o.atEnd(func() error { return broken })
		return []way{timed("only", func(int) { time.Sleep(shortRound) })}
	}}
	_, err := failsToClose.measure(span{rounds: 1})
	assert.ErrorIs(t, err, broken)
}

func TestInParallelReturnsError(t *testing.T) {
	broken := errors.New("broken")
	assert.ErrorIs(t, try.Run(func() { inParallel(3, func(int) { try.Check(broken) })(3) }), broken)
}

func TestSpanEndsAfterRoundsOrTime(t *testing.T) {
	count := func(s span) (n int) {
		for range s.all() {
			n++
		}
		return n
	}
	assert.Equal(t, 7, count(span{rounds: 7, time: time.Hour}))
	assert.Equal(t, fewest, count(span{}))
	start := time.Now()
	assert.Greater(t, count(span{time: 10 * time.Millisecond}), fewest)
	assert.GreaterOrEqual(t, time.Since(start), 10*time.Millisecond)
}

func TestQuantileSortsCopy(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for part, want := range []float64{1, 2, 3, 4} {
		assert.Equal(t, want, quantile(values, part, 4))
	}
	assert.Equal(t, []float64{5, 1, 4, 2, 3}, values)
}

func TestMeasureAllMatchesNames(t *testing.T) {
	var progress bytes.Buffer
	all, err := measureAll(regexp.MustCompile("^timer"), span{rounds: few}, &progress)
	require.NoError(t, err)
	assert.Len(t, all.Rows, 1)
	assert.Len(t, all.Tallies, 1)
	assert.Equal(t, "1 of 2: "+all.Rows[0].Name+"\n2 of 2: "+all.Tallies[0].Name+"\n", progress.String())

	_, err = measureAll(regexp.MustCompile("no such row"), span{rounds: few}, io.Discard)
	assert.ErrorContains(t, err, "no such row")
}

func TestMeasureInMergesProcesses(t *testing.T) {
	var progress bytes.Buffer
	all, err := measureIn(2, regexp.MustCompile("^timer"), few, &progress)
	require.NoError(t, err)
	assert.Equal(t, 2, all.processes)
	assert.Len(t, all.Rows, 1)
	assert.Len(t, all.Tallies, 1)
	assert.Regexp(t, "(?s)^process 1 of 2\n1 of 2: .*process 2 of 2\n1 of 2: ", progress.String())

	_, err = measureIn(2, regexp.MustCompile("no such row"), few, &progress)
	assert.Error(t, err)
	assert.Contains(t, progress.String(), "no row matches no such row")
}

func TestMediansAreOverProcesses(t *testing.T) {
	var all []report
	for _, factor := range []float64{1, 5, 3, 4, 2} {
		r := sample()
		way := &r.Rows[0].Ways[1]
		way.Median, way.Each, *way.Allocs = factor, time.Duration(10*factor), 100*factor
		r.Tallies[0].Lines[0].Values[0] = 1000 * factor
		r.Notes = append(r.Notes, fmt.Sprint("limit ", factor > 2))
		all = append(all, *r)
	}
	got, err := medians(all)
	require.NoError(t, err)
	allocs := 300.0
	assert.Equal(t, wayResult{"iofd", 2, 3, 4, 30, &allocs}, got.Rows[0].Ways[1])
	assert.Equal(t, []float64{3000}, got.Tallies[0].Lines[0].Values)
	assert.Equal(t, append(sample().Notes, "limit false", "limit true"), got.Notes)
	assert.Equal(t, 5, got.processes)

	all[1].Rows[1].Ways = all[1].Rows[1].Ways[:1]
	_, err = medians(all)
	assert.Error(t, err)
}

// sample has numbers of all sizes. One way counts no allocations, and one is far
// beyond the scale.
func sample() *report {
	allocs := func(n float64) *float64 { return &n }
	return &report{
		processes: 1,
		Rows: []rowResult{{
			Name: "work <1>",
			Ways: []wayResult{
				{"bare calls", 1, 1, 1, 792, allocs(0)},
				{"iofd", 0.98, 1.0234, 1.07, 800, allocs(0.04)},
				{"C", 12.345, 23.456, 234.56, 16000, nil},
				{"channel", 0.01, 0.02, 0.03, 9, allocs(1.96)},
			},
		}, {
			Name: "more work",
			Ways: []wayResult{
				{"exec.Cmd", 1, 1, 1, 1283868, allocs(34)},
				{"iofd", 0.6, 1.2, 1.3, 1300000, allocs(43.27)},
			},
		}},
		Tallies: []tallyResult{{Name: "sizes", Columns: []string{"bytes"}, Format: "%.0f", Lines: []tallyLine{{"iofd", []float64{48}}}}},
		Notes:   []string{"more work: something is left out"},
	}
}

func TestTableShowsResults(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, sample().print(&text))
	lines := strings.Split(text.String(), "\n")
	for i, want := range []string{
		"work by ratio quartiles allocs on this machine",
		"work <1> bare calls 1.000 0 792 ns",
		"iofd 1.023 0.980–1.070 0",
		"C 23.5 12.3–235 –",
		"channel 0.020 0.010–0.030 2",
		"more work exec.Cmd 1.000 34 1283868 ns",
		"iofd 1.200 0.600–1.300 43.3",
		"",
		"sizes bytes",
		"iofd 48",
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
	for _, want := range []string{"work <1>", "1 = bare calls, 792 ns here", "iofd", "1.023", "C", "23.5", "channel", "0.020", "more work", "1 = exec.Cmd, 1.28 ms here", "1.200"} {
		assert.Contains(t, words, want)
	}
}

func TestBriefRoundsToThreeDigits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ns", 792: "792 ns", 1049: "1.05 µs", 52_700: "52.7 µs", 1_283_868: "1.28 ms", 2 * time.Minute: "120 s",
	} {
		assert.Equal(t, want, brief(d), fmt.Sprint(int64(d)))
	}
}
