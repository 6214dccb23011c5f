package main

import (
	"strings"
	"time"
)

const changelog = "CHANGELOG.md"

// newest returns the version of the changelog's newest section but Unreleased, or "", and
// what is wrong with the two. The form is that of https://keepachangelog.com.
func newest(text string) (version string, problems []string) {
	wrong := func(problem string) { problems = append(problems, changelog+": "+problem) }
	sections := strings.Split("\n"+text, "\n## [")[1:]
	if len(sections) == 0 || !strings.HasPrefix(sections[0], "Unreleased]\n") {
		wrong("the first section is not ## [Unreleased]")
		return "", problems
	}
	if strings.TrimSpace(sections[0]) != "Unreleased]" {
		wrong("there is text under Unreleased, which belongs to the version")
	}
	if len(sections) == 1 {
		wrong("no section of a version, as ## [0.1.0] - 2006-01-02, which is the root module's")
		return "", problems
	}
	heading, body, _ := strings.Cut(sections[1], "\n")
	version, date, _ := strings.Cut(heading, "]")
	if _, err := time.Parse(" - "+time.DateOnly, date); err != nil {
		wrong("the section " + version + " has no date, as ## [0.1.0] - 2006-01-02")
	}
	if strings.TrimSpace(body) == "" {
		wrong("the section " + version + " is empty")
	}
	return "v" + version, problems
}
