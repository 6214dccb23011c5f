package guide_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Tests run in the folder of their package, in the workspace and without. The
// guides are outside of its module, where the test cache does not look: -count=1.
const root = "../.."

// guides returns the paths of the guides.
func guides(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(root + "/doc/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	return paths
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

const fence = "```"

// A block is what stands between two fences.
type block struct {
	language string
	at       int // the line of the first fence, from 1
	lines    []string
}

// divide returns the blocks of a document, and its lines with those of the blocks
// made empty.
func divide(t *testing.T, path string) (blocks []block, text []string) {
	t.Helper()
	open := false
	for i, line := range readLines(t, path) {
		language, isFence := strings.CutPrefix(line, fence)
		switch {
		case isFence && !open:
			blocks = append(blocks, block{language: language, at: i + 1})
		case open && !isFence:
			last := &blocks[len(blocks)-1]
			last.lines = append(last.lines, line)
		}
		if isFence || open {
			line = ""
		}
		open = open != isFence
		text = append(text, line)
	}
	require.False(t, open, "%s: the last block has no end", path)
	return blocks, text
}

// stands reports whether the lines stand one after the other in the file, all
// with the same indentation before them.
func stands(lines, file []string) bool {
	for start := range len(file) - len(lines) + 1 {
		indentation, found := strings.CutSuffix(file[start], lines[0])
		if found && strings.Trim(indentation, "\t") == "" &&
			slices.Equal(indent(lines, indentation), file[start:start+len(lines)]) {
			return true
		}
	}
	return false
}

func indent(lines []string, indentation string) []string {
	indented := slices.Clone(lines)
	for i, line := range lines {
		if line != "" {
			indented[i] = indentation + line
		}
	}
	return indented
}

func TestStands(t *testing.T) {
	file := []string{"func f() {", "\tif a {", "\t\tb()", "", "\t}", "}"}
	for _, c := range []struct {
		lines []string
		want  bool
	}{
		{file, true},
		{[]string{"if a {", "\tb()", "", "}"}, true},
		{[]string{"}"}, true},
		{[]string{"b()", "", "}"}, false},
		{[]string{"f() {"}, false},
		{[]string{"if a {", "\tc()", "", "}"}, false},
		{append(file, "func g() {}"), false},
	} {
		assert.Equal(t, c.want, stands(c.lines, file), "%q", c.lines)
	}
}

// Every block of Go in the guides is code that was compiled, in a test here.
func TestBlocks(t *testing.T) {
	paths, err := filepath.Glob("*_linux_test.go")
	require.NoError(t, err)
	var files [][]string
	for _, path := range paths {
		files = append(files, readLines(t, path))
	}
	for _, path := range guides(t) {
		blocks, _ := divide(t, path)
		for _, b := range blocks {
			if b.language != "go" {
				continue
			}
			found := false
			for _, file := range files {
				found = found || len(b.lines) > 0 && stands(b.lines, file)
			}
			assert.True(t, found, "%s:%d: this block is in none of %v", path, b.at, paths)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]*)\)|src="([^"]*)"`)
	heading = regexp.MustCompile(`^#{1,6} +(.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors returns the fragments by which the headings of a document are linked to.
func anchors(t *testing.T, path string) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	_, text := divide(t, path)
	for _, line := range text {
		if title := heading.FindStringSubmatch(line); title != nil {
			plain := dropped.ReplaceAllString(strings.ToLower(title[1]), "")
			found[strings.ReplaceAll(plain, " ", "-")] = true
		}
	}
	return found
}

// Links within the repository lead somewhere.
func TestLinks(t *testing.T) {
	var paths []string
	for _, pattern := range []string{"*.md", "doc/*.md", "doc/reports/*.md", "examples/*/*.md", "test/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
		paths = append(paths, found...)
	}
	for _, path := range paths {
		_, text := divide(t, path)
		for i, line := range text {
			for _, match := range link.FindAllStringSubmatch(line, -1) {
				target := match[1] + match[2]
				if strings.Contains(target, ":") {
					continue // of another place
				}
				name, fragment, _ := strings.Cut(target, "#")
				file := path
				if name != "" {
					file = filepath.Join(filepath.Dir(path), name)
				}
				if _, err := os.Stat(file); !assert.NoError(t, err, "%s:%d", path, i+1) {
					continue
				}
				if fragment != "" && strings.HasSuffix(file, ".md") {
					assert.True(t, anchors(t, file)[fragment], "%s:%d: no heading for %s", path, i+1, target)
				}
			}
		}
	}
}

// shape is what a translation has in common with its original: the headings' levels, the
// code, the rows of tables, the list items, and where the links lead.
type shape struct {
	Headings []int
	Blocks   []string
	Rows     []int    // cells in each
	Figures  []string // in the tables
	Items    int
	Links    []string
	Code     []string // in running text, sorted: languages differ in the order of words
}

var (
	inline = regexp.MustCompile("`[^`]+`")
	figure = regexp.MustCompile(`\d+(\.\d+)*`)
)

func shapeOf(t *testing.T, path string) (s shape) {
	t.Helper()
	blocks, text := divide(t, path)
	for _, b := range blocks {
		s.Blocks = append(s.Blocks, b.language+"\n"+strings.Join(b.lines, "\n"))
	}
	for _, line := range text {
		if strings.Contains(line, "README.") { // the line of languages
			continue
		}
		switch {
		case strings.HasPrefix(line, "#"):
			s.Headings = append(s.Headings, len(line)-len(strings.TrimLeft(line, "#")))
		case strings.HasPrefix(line, "|"):
			s.Rows = append(s.Rows, strings.Count(line, "|"))
			s.Figures = append(s.Figures, figure.FindAllString(line, -1)...)
		case strings.HasPrefix(line, "- "):
			s.Items++
		}
		s.Code = append(s.Code, inline.FindAllString(line, -1)...)
	}
	for _, match := range link.FindAllStringSubmatch(strings.Join(text, "\n"), -1) {
		if target := match[1] + match[2]; !strings.HasPrefix(target, "README") {
			s.Links = append(s.Links, target)
		}
	}
	slices.Sort(s.Code)
	return s
}

// The translations of the README say as much as the README.
func TestTranslations(t *testing.T) {
	paths, err := filepath.Glob(root + "/README.*.md")
	require.NoError(t, err)
	require.Len(t, paths, 4)
	want := shapeOf(t, root+"/README.md")
	require.NotEmpty(t, want.Blocks)
	generated := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		_, rest, found := strings.Cut(string(text), "<!-- platforms")
		require.True(t, found, path)
		table, _, found := strings.Cut(rest, "<!-- /platforms -->")
		require.True(t, found, path)
		return table
	}
	for _, path := range paths {
		assert.Equal(t, want, shapeOf(t, path), path)
		assert.Equal(t, generated(root+"/README.md"), generated(path), path)
		for _, other := range append(paths, root+"/README.md") {
			if other != path {
				text := strings.Join(readLines(t, path), "\n")
				assert.Contains(t, text, "]("+filepath.Base(other)+")", path)
			}
		}
	}
}
