package main

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/test/internal/try"
	"code.hybscloud.com/iofd/test/kernels/internal/job"
)

// Every number of a header has eight digits, and every part begins at a multiple of
// four, see cpio(5).
func TestCpio(t *testing.T) {
	var c cpio
	c.add("bin", cpioDirectory|0o755, nil)
	c.add("bin/a", cpioFile|0o644, []byte("hello"))
	c.add("dev/console", cpioDevice|0o600, nil)

	type entry struct{ name, mode, device, data string }
	var got []entry
	for all := string(c.bytes()); all != ""; {
		require.Equal(t, "070701", all[:6])
		field := func(i int) string { return all[6+8*i : 14+8*i] }
		number := func(i int) (n int) {
			for _, digit := range field(i) {
				n = n*16 + strings.IndexRune("0123456789ABCDEF", digit)
			}
			return n
		}
		name := all[110 : 110+number(11)-1]
		at := (110 + number(11) + 3) &^ 3
		data := all[at : at+number(6)]
		got = append(got, entry{name, field(1), field(9) + field(10), data})
		all = all[(at+len(data)+3)&^3:]
	}
	const none = "0000000000000000"
	assert.Equal(t, []entry{
		{"bin", "000041ED", none, ""},
		{"bin/a", "000081A4", none, "hello"},
		{"dev/console", "00002180", "0000000500000001", ""},
		{"TRAILER!!!", "00000000", none, ""},
	}, got)
}

// Split restores the output of a job that passed through a console with carriage
// returns.
func TestSplit(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("the firmware talks")
	job.Job{Name: "one", Argv: []string{"sh", "-c", "echo $A; exit 3"}, Env: []string{"A=b"}}.Run(t.Context(), &b)
	job.Job{Name: "two", Argv: []string{"printf", "no newline"}}.Run(t.Context(), &b)
	job.Job{Name: "three", Argv: []string{"./no-such-program"}}.Run(t.Context(), &b)
	whole := b.Bytes()
	job.Done(&b, "6.1.0-1-cloud")

	outputs, kernel := job.Split(bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte("\r\n")))
	assert.Equal(t, "6.1.0-1-cloud", kernel)
	require.Len(t, outputs, 3)
	assert.Equal(t, "b\n\n", string(outputs[0].Text))
	assert.Equal(t, "exit status 3", outputs[0].Status)
	assert.Equal(t, "no newline\n", string(outputs[1].Text))
	assert.Equal(t, "exit status 0", outputs[1].Status)
	assert.Contains(t, outputs[2].Status, "no such file")

	outputs, kernel = job.Split(whole[:len(whole)-40])
	assert.Empty(t, kernel, "the end is not there")
	assert.Empty(t, outputs[2].Status)
}

const said = "\x16=== RUN   TestA\n" +
	"\x16=== RUN   TestA/b\n" +
	"    a_test.go:7: since Linux 6.9: no such thing\n" +
	"\x16--- PASS: TestA (0.00s)\n" +
	"\x16    --- SKIP: TestA/b (0.00s)\n" +
	"\x16=== RUN   TestC\n" +
	"    c_test.go:12: GOMAXPROCS=1: 12 racing closes, 0 reads after Close\n" +
	"    c_test.go:12: GOMAXPROCS=2: 30 racing closes, 0 reads after Close\n" +
	"\x16--- PASS: TestC (0.00s)\n"

func TestJudge(t *testing.T) {
	c := judge(job.Output{Name: "fd", Status: "exit status 0", Text: []byte(said + "\x16=== NAME  \nPASS\n")})
	assert.Equal(t, cell{Job: "fd", Passed: 2, Closes: 42,
		Skipped: []skip{{Test: "TestA/b", Reason: "since Linux 6.9: no such thing"}}}, c)

	c = judge(job.Output{Name: "fd", Status: "exit status 1", Text: []byte(said +
		"\x16=== RUN   TestD\n    d_test.go:9: wrong\n\x16--- FAIL: TestD (0.00s)\n\x16=== NAME  \nFAIL\n")})
	require.Len(t, c.Failed, 1)
	assert.Equal(t, "TestD", c.Failed[0].Test)
	assert.Contains(t, c.Failed[0].Output, "d_test.go:9: wrong")
}

// A binary that dies, leaves a descriptor behind or does not end has failed, even if
// none of its tests has.
func TestJudgeTheWhole(t *testing.T) {
	for _, status := range []string{"exit status 1", "signal: segmentation fault", ""} {
		c := judge(job.Output{Status: status, Text: []byte(said + "left behind: descriptor 9\n")})
		require.Len(t, c.Failed, 1, status)
		assert.Contains(t, c.Failed[0].Output, "left behind: descriptor 9")
	}
}

// A skip has a reason only on machines for which the reason holds.
func TestWhy(t *testing.T) {
	const noSeccomp = "an emulator has no seccomp(2)"
	lacks := []answer{{"seccomp(2)", "ENOSYS"}}
	has := []answer{{"seccomp(2)", yes}}
	for name, tt := range map[string]struct {
		r      result
		reason string
		want   bool
	}{
		"an older kernel":           {result{Kind: system, Kernel: "6.1.0-50-cloud"}, "since Linux 6.9: x", true},
		"the same kernel":           {result{Kind: system, Kernel: "6.9.1-cloud"}, "since Linux 6.9: x", false},
		"a newer kernel":            {result{Kind: system, Kernel: "6.12.1-cloud"}, "since Linux 6.9: x", false},
		"an older kernel, emulated": {result{Kind: user, Kernel: "6.1.0"}, "since Linux 6.9: x", false},
		"the emulator lacks it":     {result{Kind: user, Probe: lacks}, noSeccomp, true},
		"the emulator has it":       {result{Kind: user, Probe: has}, noSeccomp, false},
		"it was not asked":          {result{Kind: user}, noSeccomp, false},
		"a kernel lacks it":         {result{Kind: system, Probe: lacks}, noSeccomp, false},
		"no assembly":               {result{Kind: user, Processor: "s390x"}, "no handler fors390x", true},
		"assembly":                  {result{Kind: user, Processor: "arm64"}, "no handler forarm64", false},
		"another reason":            {result{Kind: user, Probe: lacks}, "too tired", false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, why(&tt.r, tt.reason) != "")
		})
	}
}

// A test that is skipped for no reason that holds has failed.
func TestExplain(t *testing.T) {
	r := result{Kind: system, Kernel: "6.1.0", Cells: []cell{{Passed: 1, Skipped: []skip{
		{Test: "TestA", Reason: "since Linux 6.9: x"}, {Test: "TestB", Reason: "too tired"},
	}}}}
	explain(&r)
	assert.Equal(t, []skip{{"TestA", "since Linux 6.9: x", "Linux 6.9 brought it"}}, r.Cells[0].Skipped)
	assert.Equal(t, []failure{{"TestB", "skipped for no reason that holds there: too tired"}}, r.Cells[0].Failed)
	assert.False(t, r.ok())
}

func TestCompareVersions(t *testing.T) {
	sorted := []string{"linux-image-5.10.0-32-cloud", "linux-image-6.1.0-50-cloud", "linux-image-6.12.9", "linux-image-6.12.10", "linux-binary-7.3"}
	for i := range sorted[1:] {
		assert.Negative(t, compareVersions(sorted[i], sorted[i+1]), sorted[i])
		assert.Positive(t, compareVersions(sorted[i+1], sorted[i]), sorted[i])
	}
}

// The names of Debian's packages, and the series by which they are found.
func TestVersion(t *testing.T) {
	for name, want := range map[string]string{
		"5.10.0-32": "5.10", "6.1.0-50": "6.1", "6.12.95+deb13": "6.12", "6.1.0-50-rt": "", "6.16.3+deb13": "6.16", "7.3": "7.3",
		"7.2.13+deb14": "7.2",
	} {
		var found []string
		for _, series := range []string{"5.10", "6.1", "6.12", "6.16", "7.2", "7.3"} {
			if regexp.MustCompile("^" + version(series) + "$").MatchString(name) {
				found = append(found, series)
			}
		}
		assert.Equal(t, want, strings.Join(found, " "), name)
	}
}

func TestSelected(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range machines {
		assert.False(t, seen[m.String()], "two are called %v", m)
		seen[m.String()] = true
	}
	var ci []string
	for _, m := range selected(regexp.MustCompile(""), true) {
		ci = append(ci, m.String())
	}
	assert.Equal(t, []string{"user/arm64", "user/riscv64", "linux-5.10/amd64", "linux-newest/amd64"}, ci)
	assert.Empty(t, selected(regexp.MustCompile("^none$"), false))
}

var some = []result{
	{Machine: "native/amd64", Kind: native, Processor: "amd64", Kernel: "6.18.1", Cells: []cell{{Job: "fd", Passed: 7}}},
	{Machine: "linux-5.10/amd64", Kind: system, Processor: "amd64", Kernel: "5.10.0-32", Cells: []cell{
		{Job: "fd", Passed: 5, Skipped: []skip{{"TestA/<b>", "since Linux 6.9: x & y", "Linux 6.9 brought it"}}},
	}},
	{Machine: "user/arm", Kind: user, Processor: "arm", Kernel: "6.18.1", Cells: []cell{
		{Job: "fd", Passed: 6, Failed: []failure{{Test: "TestB", Output: "b_test.go:1: wrong"}}}, {Job: "pidfd", Passed: 1, Failed: []failure{{Test: "TestC"}}},
	}},
}

// A failure shows in every form of the report, and so does a skip with its reason.
func TestReport(t *testing.T) {
	assert.True(t, some[0].ok())
	assert.True(t, some[1].ok())
	assert.False(t, some[2].ok())
	assert.False(t, result{}.ok(), "nothing was run")

	text := string(markdown(some))
	assert.Contains(t, text, "| fd | 7 | 5 (1) | 6 ✗1 |")
	assert.Contains(t, text, "| pidfd |  |  | 1 ✗1 |")
	assert.Contains(t, text, "b_test.go:1: wrong")
	assert.Contains(t, text, "| Linux 6.9 brought it | since Linux 6.9: x & y | fd `TestA` | amd64, Linux 5.10 |")

	table := string(platforms(some))
	assert.Contains(t, table, "| linux/amd64 | tests executed on the processor, Linux 6.18 and in virtual machines with Linux 5.10 |")
	assert.Contains(t, table, "| linux/arm | no run without a failure; no assembly, so no biased count, and `signalfd.New` captures nothing; tests failed: arm, user mode |")
}

func TestReplaceTable(t *testing.T) {
	got := replaceTable("README.md", []byte("before\n"+tableFrom+"old\n"+tableTo+"after\n"), []byte("new\n"))
	assert.Equal(t, "before\n"+tableFrom+"new\n"+tableTo+"after\n", string(got))
	for _, text := range []string{"", tableFrom, tableTo + tableFrom} {
		err := try.Run(func() { replaceTable("README.md", []byte(text), nil) })
		assert.ErrorContains(t, err, "README.md", "%q", text)
	}
}

// publishStored accepts the files of publish, until one of them is changed. Each README
// gets the table.
func TestPublish(t *testing.T) {
	root := t.TempDir()
	const empty = tableFrom + tableTo
	require.NoError(t, os.MkdirAll(root+"/doc/reports", 0o755))
	require.NoError(t, os.WriteFile(root+"/"+stored, []byte("[]"), 0o644))
	for _, name := range []string{"README.md", "README.fr.md"} {
		require.NoError(t, os.WriteFile(root+"/"+name, []byte(empty), 0o644))
	}
	check := func() error { return try.Run(func() { publishStored(root, true) }) }
	publish(root, some)
	require.NoError(t, check())
	for name, stale := range map[string]string{"README.md": empty, "README.fr.md": "Bonjour\n", "doc/reports/kernels.md": ""} {
		written, err := os.ReadFile(root + "/" + name)
		require.NoError(t, err)
		if name != "doc/reports/kernels.md" {
			assert.Equal(t, tableFrom+string(platforms(some))+tableTo, string(written), name)
		}
		require.NoError(t, os.WriteFile(root+"/"+name, []byte(stale), 0o644))
		assert.ErrorContains(t, check(), name)
		require.NoError(t, os.WriteFile(root+"/"+name, written, 0o644))
	}

	// A machine that is run again replaces its stored result.
	again := some[1]
	again.Kernel = "5.10.0-33"
	publish(root, []result{again})
	assert.Equal(t, []result{some[0], some[2], again}, readStored(root), "in the order of the machines")
}

// A file gets its name only when it has been fetched completely.
func TestFetched(t *testing.T) {
	s := store(t.TempDir())
	broken := errors.New("broken")
	err := try.Run(func() { s.fetched("a/b", func(string) { try.Check(broken) }) })
	require.ErrorIs(t, err, broken)
	times := 0
	for range 2 {
		dir := s.fetched("a/b", func(dir string) {
			times++
			require.NoError(t, os.WriteFile(dir+"/file", nil, 0o644))
		})
		require.FileExists(t, dir+"/file")
	}
	assert.Equal(t, 1, times)
}
