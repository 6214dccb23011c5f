// Command prose measures the English of a Go repository: the sentences of its
// comments, of its string literals, of its Markdown files and of the -h texts of
// its examples.
//
//	GOWORK=off go -C test/tools run ./prose [-list]
//
// It prints, for each group of files, how many sentences have a habit that makes
// technical prose hard to read, and with -list each of these sentences. Its test fails
// if a group is over the budget.
package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A habit makes a sentence hard to read. The code of package os, of internal/poll and
// of well-known Go modules has it in about one sentence of a hundred. The budget is the
// share of sentences that may have it.
type habit struct {
	name      string
	budget    float64 // percent, in Go files
	documents float64 // percent, in Markdown
	is        func(sentence string) bool
}

// share returns the percentage of a group's sentences that have the habit, and the
// budget.
func (h habit) share(group string, all []sentence) (share, budget float64) {
	n := 0
	for _, s := range all {
		if h.is(s.text) {
			n++
		}
	}
	budget = h.budget
	if group == "documents" {
		budget = h.documents
	}
	return 100 * float64(n) / float64(max(len(all), 1)), budget
}

func match(pattern string) func(string) bool {
	return regexp.MustCompile(pattern).MatchString
}

var habits = []habit{
	// Goroutines, callers, kernels and processes are things with names.
	{"impersonal", 0.5, 1, match(`(?i)\b(who|whoever|whom|somebody|nobody|someone|anybody|everybody|others|strangers?)\b`)},
	{"he/his", 0, 0, match(`(?i)\b(he|him|his|himself|she|her)\b`)},
	// A clause in front of the verb, instead of a subject.
	{"inverted", 2, 2, match(`^(Who|Whoever|What|Whatever|Where|Wherever|That (the|a|an|it|is|was|are|were|this)|Of|One that|One which|Those (who|that)|Be|Should|Neither|Whether)\b`)},
	{"3+ commas", 4, 6, func(s string) bool { return strings.Count(s, ",") >= 3 }},
	{"30+ words", 6, 8, func(s string) bool { return len(strings.Fields(s)) > 30 }},
	// Words for which the man pages and the Go documentation have standard terms.
	{"home-made", 0.2, 0.2, match(`(?i)\b(oust(s|ed)?|rouse(s|d)?|heed(s|ed|ing)?|vacate(s|d)?|given? out of hand|gives? back|turn(s|ed)? out of|insist(s|ed)?|by the like|be it|neither\.|all the same|nevertheless|none the less|for good|in vain)\b`)},
}

type sentence struct {
	where string
	text  string
}

func main() {
	list := flag.Bool("list", false, "print the sentences")
	flag.Parse()
	groups, err := read("../..")
	if err != nil {
		log.Fatal("prose: ", err)
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		fmt.Printf("%-10s %5d sentences", name, len(groups[name]))
		for _, h := range habits {
			mark := ""
			share, budget := h.share(name, groups[name])
			if share > budget {
				mark = "!"
			}
			fmt.Printf("  %s %.1f%%%s", h.name, share, mark)
		}
		fmt.Println()
		for _, h := range habits {
			for _, s := range groups[name] {
				if *list && h.is(s.text) {
					fmt.Printf("%s: %s: %s\n", s.where, h.name, s.text)
				}
			}
		}
	}
}

var (
	inLibrary  = regexp.MustCompile(`^(fd|eventfd|timerfd|pidfd|memfd|signalfd|iface|internal)/|^[^/]+$`)
	translated = regexp.MustCompile(`\.[a-z]{2}(-[A-Z]{2})?\.md$`)
)

// group returns the group of a file, or "" if the file is not measured.
func group(path string) string {
	switch {
	case strings.HasSuffix(path, "_test.go"):
		return "tests"
	case strings.HasSuffix(path, ".go") && inLibrary.MatchString(path):
		return "library"
	case strings.HasSuffix(path, ".go"):
		return "programs"
	case strings.HasSuffix(path, ".md") && !translated.MatchString(path),
		strings.HasPrefix(path, "examples/") && filepath.Base(path) == "help.txt":
		return "documents"
	}
	return ""
}

func read(root string) (map[string][]sentence, error) {
	groups := map[string][]sentence{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if name := d.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		name := group(filepath.ToSlash(rel))
		if name == "" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".go") {
			prose, texts := comments(rel, data)
			groups[name] = append(groups[name], prose...)
			if name != "tests" {
				groups["texts"] = append(groups["texts"], texts...)
			}
		} else {
			groups[name] = append(groups[name], markdown(rel, string(data))...)
		}
		return nil
	})
	return groups, err
}

// comments returns the sentences of a Go file's comments, and of its string
// literals: error texts and usage messages.
func comments(path string, data []byte) (prose, texts []sentence) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, nil
	}
	for _, c := range file.Comments {
		line := set.Position(c.Pos()).Line
		for _, paragraph := range strings.Split(c.Text(), "\n\n") {
			if strings.HasPrefix(paragraph, "\t") || strings.HasPrefix(paragraph, "  ") || strings.HasPrefix(paragraph, "Code generated") {
				continue // a figure or code
			}
			prose = append(prose, sentences(fmt.Sprintf("%s:%d", path, line), paragraph)...)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		if text, err := strconv.Unquote(lit.Value); err == nil && !strings.Contains(text, "</") {
			where := fmt.Sprintf("%s:%d", path, set.Position(lit.Pos()).Line)
			for _, paragraph := range strings.Split(text, "\n\n") {
				texts = append(texts, sentences(where, paragraph)...)
			}
		}
		return true
	})
	return prose, texts
}

func markdown(path, text string) []sentence {
	var all []sentence
	code, paragraph, start := false, "", 0
	flush := func() {
		all = append(all, sentences(fmt.Sprintf("%s:%d", path, start), paragraph)...)
		paragraph = ""
	}
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "```") {
			flush()
			code = !code
			continue
		}
		if code || strings.HasPrefix(trimmed, "<") {
			continue
		}
		if trimmed == "" || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "|") || strings.HasPrefix(trimmed, "- ") {
			flush()
		}
		if strings.HasPrefix(trimmed, "|") {
			for _, cell := range strings.Split(trimmed, "|") {
				all = append(all, sentences(fmt.Sprintf("%s:%d", path, i+1), cell)...)
			}
			continue
		}
		if paragraph == "" {
			start = i + 1
		}
		paragraph += " " + strings.TrimLeft(trimmed, "#- ")
	}
	flush()
	return all
}

var (
	end  = regexp.MustCompile(`([.:;?!])\s+([A-Z\[` + "`" + `])`)
	link = regexp.MustCompile(`\]\([^)]*\)`)
)

func sentences(where, paragraph string) []sentence {
	paragraph = link.ReplaceAllString(strings.Join(strings.Fields(paragraph), " "), "]")
	var all []sentence
	for _, text := range strings.Split(end.ReplaceAllString(paragraph, "$1\x00$2"), "\x00") {
		if len(strings.Fields(text)) >= 4 {
			all = append(all, sentence{where, strings.TrimSpace(text)})
		}
	}
	return all
}
