package iofd_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every promise of SECURITY.md names the tests that hold it, where they are.
func TestSecurityTests(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	name := regexp.MustCompile("\\[`((?:Test|Fuzz)\\w+)`\\]\\(([^)]+)\\)")
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| --- ") || strings.HasSuffix(line, "| tests |\n") {
			continue
		}
		rows++
		tests := name.FindAllStringSubmatch(line, -1)
		assert.NotEmpty(t, tests, line)
		for _, test := range tests {
			source, err := os.ReadFile(test[2])
			if assert.NoError(t, err, line) {
				assert.Contains(t, string(source), "func "+test[1]+"(", test[2])
			}
		}
	}
	assert.Greater(t, rows, 20)
}
