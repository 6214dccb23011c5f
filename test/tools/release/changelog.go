package main

import (
	"regexp"
	"strings"
	"time"
)

const changelog = "CHANGELOG.md"

// A heading of https://keepachangelog.com.
var heading = regexp.MustCompile(`(?m)^## \[([^\]]+)\](?: - (\S+))?$`)

// newest returns the version of the changelog's newest section but Unreleased, or "", and
// what is wrong with the two.
func newest(text string) (version string, problems []string) {
	wrong := func(problem string) { problems = append(problems, changelog+": "+problem) }
	at := heading.FindAllStringSubmatchIndex(text, -1)
	part := func(i, group int) string {
		if at[i][2*group] < 0 {
			return ""
		}
		return text[at[i][2*group]:at[i][2*group+1]]
	}
	section := func(i int) string {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		return strings.TrimSpace(text[at[i][1]:end])
	}
	if len(at) == 0 || part(0, 1) != "Unreleased" {
		wrong("the first section is not ## [Unreleased]")
		return "", problems
	}
	if section(0) != "" {
		wrong("there is text under Unreleased, which belongs to the version")
	}
	if len(at) == 1 {
		wrong("no section of a version, as ## [0.1.0] - 2006-01-02, which is the root module's")
		return "", problems
	}
	if _, err := time.Parse(time.DateOnly, part(1, 2)); err != nil {
		wrong("the section " + part(1, 1) + " has no date, as ## [0.1.0] - 2006-01-02")
	}
	if section(1) == "" {
		wrong("the section " + part(1, 1) + " is empty")
	}
	return "v" + part(1, 1), problems
}

func isChangelog(problem string) bool { return strings.HasPrefix(problem, changelog+": ") }
