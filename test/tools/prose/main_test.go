package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSentences(t *testing.T) {
	var texts []string
	for _, s := range sentences("x", "Close wakes every waiter. See [close](a.md#b) for the\nerror of it: The rest is short.") {
		texts = append(texts, s.text)
	}
	assert.Equal(t, []string{"Close wakes every waiter.", "See [close] for the error of it:", "The rest is short."}, texts)
}

// Each habit finds its sentence, and leaves a plain one alone.
func TestHabits(t *testing.T) {
	found := map[string]string{
		"impersonal": "The lock belongs to whoever holds it.",
		"he/his":     "The caller closes his descriptor at the end.",
		"inverted":   "What the kernel returns is the result.",
		"3+ commas":  "It opens, reads, writes, closes a file.",
		"30+ words":  "a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a",
		"home-made":  "Close ousts the owner of the descriptor.",
	}
	require.Len(t, habits, len(found))
	for _, h := range habits {
		assert.True(t, h.is(found[h.name]), h.name)
		assert.False(t, h.is("Close waits until the evicted owner has left its system call."), h.name)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		"fd/fd.go":            "package fd\n\n// Close closes the descriptor number.\nvar text = \"the descriptor is not open\"\n",
		"fd/fd_test.go":       "package fd\n\n// The error is that of close(2).\nvar text = \"not a text of the library\"\n",
		"test/soak/main.go":   "package main\n\n// A workload uses all handles.\n\n//\tnot prose but some code\n",
		"README.md":           "# iofd gives you typed handles\n\n```\nno sentence at all, it is code\n```\n",
		"examples/x/help.txt": "usage: x [-v]\n\n-v  print each event of the timer\n",
		"fd/testdata/x.txt":   "This is not a document of ours.\n",
		"names.txt":           "This is not a document of ours.\n",
		"README.fr.md":        "Une phrase dans une autre langue.\n",
		".git/x.md":           "This is not a document of ours.\n",
		"fd/testdata/text.md": "This is not a document of ours.\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644))
	}
	groups, err := read(dir)
	require.NoError(t, err)
	counts := map[string]int{}
	for name, all := range groups {
		counts[name] = len(all)
	}
	assert.Equal(t, map[string]int{"library": 1, "texts": 1, "tests": 1, "programs": 1, "documents": 2}, counts)
}

// The repository is within its own budget.
func TestBudget(t *testing.T) {
	groups, err := read("../../..")
	require.NoError(t, err)
	for name := range groups {
		for _, h := range habits {
			share, budget := h.share(name, groups[name])
			assert.LessOrEqual(t, share, budget, "%s: %s", name, h.name)
		}
	}
}
