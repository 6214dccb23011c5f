package downstream

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var all = flag.Bool("all", false, "also run their tests that take long and have nothing to do with the descriptor")

// Each program passes on this library what it passes without.
func TestPrograms(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			var skip []string
			if p.slow != "" && !*all {
				skip = []string{p.slow}
			}
			r, err := compare(t.Context(), p, t.ArtifactDir(), skip)
			require.NoError(t, err)
			t.Log(r)
		})
	}
}

// A test that hangs or panics has failed, and the tests after it still run.
func TestRun(t *testing.T) {
	b := &build{&workspace{program: program{pkg: "example.org/p"}, dir: t.TempDir()}, filepath.Join(t.TempDir(), "binary")}
	script := func(lines string) {
		require.NoError(t, os.WriteFile(b.binary, []byte("#!/bin/sh\n"+lines), 0o755))
	}
	script(`run() { echo "=== RUN   $1"; }
run TestA; echo '--- PASS: TestA (0.00s)'
case "$*" in
*'-test.skip=TestSlow|^TestHangs$|^TestPanics$'*) ;;
*'-test.skip=TestSlow|^TestHangs$'*) run TestPanics; echo '--- FAIL: TestPanics (0.00s)'; echo 'panic: out of it'; exit 2;;
*) run TestHangs; run TestHangs/now; echo 'panic: test timed out after 1m0s'; exit 2;;
esac
run TestZ; echo '--- SKIP: TestZ (0.00s)'
echo PASS
`)
	results, err := b.run(t.Context(), []string{"TestSlow"})
	require.NoError(t, err)
	got := make(map[string]string)
	for name, r := range results {
		got[name] = r.action
	}
	assert.Equal(t, map[string]string{"TestA": "pass", "TestHangs": "fail", "TestHangs/now": "fail", "TestPanics": "fail", "TestZ": "skip"}, got)

	// Alone, too: then there is no rest.
	script(`case "$*" in
*'-test.skip=^TestHangs$'*) echo 'testing: warning: no tests to run'; echo PASS;;
*) echo '=== RUN   TestHangs'; echo 'panic: test timed out after 1m0s'; exit 2;;
esac
`)
	results, err = b.run(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, results, 1)
	assert.Equal(t, "fail", results["TestHangs"].action)
	script("echo 'testing: warning: no tests to run'; echo PASS")
	_, err = b.run(t.Context(), nil)
	require.ErrorContains(t, err, "example.org/p: no test ran")

	script("echo '=== RUN   TestA'; echo '--- PASS: TestA (0.00s)'; exit 3")
	_, err = b.run(t.Context(), nil)
	assert.ErrorContains(t, err, "example.org/p: the tests ended, and none of them: [TestA]")
	script("exit 3")
	_, err = b.run(t.Context(), nil)
	assert.ErrorContains(t, err, "example.org/p: no test ran: exit status ")
}

// A patch that does not fit exactly is refused, and leaves the copy as it was.
func TestApply(t *testing.T) {
	i := slices.IndexFunc(programs, func(p program) bool { return p.name == "netpoll" })
	w, err := lay(t.Context(), programs[i], t.TempDir())
	require.NoError(t, err)
	file := filepath.Join(w.pkg, "poll_default_linux.go")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	changed := bytes.Replace(text, []byte("SYS_EVENTFD2, 0"), []byte("SYS_EVENTFD2, 1"), 1)
	require.NotEqual(t, text, changed)
	require.NoError(t, os.WriteFile(file, changed, 0o600))
	assert.ErrorContains(t, w.apply("netpoll"), "patch does not apply")
	assert.NoFileExists(t, filepath.Join(w.pkg, "eventfd_iofd.go"))

	require.NoError(t, os.WriteFile(file, text, 0o600))
	require.NoError(t, w.apply("netpoll"))
	assert.FileExists(t, filepath.Join(w.pkg, "eventfd_iofd.go"))
}

// A test that passed before the move must pass after it. Failures before do not count.
func TestVerdict(t *testing.T) {
	pass, fail, skip := result{action: "pass"}, result{action: "fail"}, result{action: "skip"}
	p := program{pkg: "example.org/p", mended: []string{"TestOurs"}}
	ours := map[string]result{"TestA": pass, "TestOurs": pass}
	for name, test := range map[string]struct {
		before, after map[string]result
		fault         string
	}{
		"as before":             {map[string]result{"TestA": pass, "TestOurs": fail}, ours, ""},
		"theirs fails, skips":   {map[string]result{"TestA": pass, "TestB": fail, "TestC": skip, "TestOurs": fail}, ours, ""},
		"lost":                  {map[string]result{"TestA": pass, "TestOurs": fail}, map[string]result{"TestA": fail, "TestOurs": pass}, "TestA passes before"},
		"skipped now":           {map[string]result{"TestA": pass, "TestOurs": fail}, map[string]result{"TestA": skip, "TestOurs": pass}, "TestA passes before"},
		"vanished":              {map[string]result{"TestA": pass, "TestB": pass, "TestOurs": fail}, ours, "TestB passes before"},
		"nothing passes":        {map[string]result{"TestA": fail, "TestOurs": fail}, ours, "no test passes"},
		"ours does not fail":    {map[string]result{"TestA": pass, "TestOurs": pass}, ours, "TestOurs does not fail before"},
		"ours fails afterwards": {map[string]result{"TestA": pass, "TestOurs": fail}, map[string]result{"TestA": pass, "TestOurs": fail}, "TestOurs does not fail before"},
	} {
		t.Run(name, func(t *testing.T) {
			err := judge(p, test.before, test.after).verdict()
			if test.fault == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.fault)
		})
	}
}
