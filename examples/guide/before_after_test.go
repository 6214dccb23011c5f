package guide_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// codeLines counts the lines with code: neither empty nor a comment alone.
func codeLines(lines []string) (n int) {
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}

// The two first blocks of each section are the code before and after. The section and
// README.md give their numbers of lines.
func TestBeforeAfterLines(t *testing.T) {
	path := root + "/doc/before-after.md"
	blocks, text := divide(t, path)
	readme, err := os.ReadFile(root + "/README.md")
	require.NoError(t, err)
	sections := 0
	for i, line := range text {
		title, is := strings.CutPrefix(line, "## ")
		if !is {
			continue
		}
		sections++
		var lines []int
		for _, b := range blocks {
			if b.language == "go" && b.at > i+1 && len(lines) < 2 {
				lines = append(lines, codeLines(b.lines))
			}
		}
		require.Len(t, lines, 2, title)
		end := len(text)
		for j := i + 1; j < end; j++ {
			if strings.HasPrefix(text[j], "## ") {
				end = j
			}
		}
		assert.Contains(t, text[i:end], fmt.Sprintf("| lines | %d | %d |", lines[0], lines[1]), title)
		anchor := strings.ReplaceAll(strings.ToLower(title), " ", "-")
		assert.Contains(t, string(readme), fmt.Sprintf("| [%s](doc/before-after.md#%s) | %d → %d |", title, anchor, lines[0], lines[1]))
	}
	assert.Equal(t, 3, sections)
}
