package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"code.hybscloud.com/iofd/pidfd"
)

// A record is what the report tells, over all runs of the command.
type record struct {
	started     time.Time
	command     []string
	ended       string // how the last run ended
	status      int
	wall        time.Duration
	user        time.Duration
	system      time.Duration
	memory      int64          // the most of any run, in bytes
	exact       bool           // else memory is an upper limit, see pidfd.ExitStatus.MaxRSS
	forwarded   map[string]int // how often each signal was
	restarts    int
	tail        []byte
	hasTail     bool
	stderrBytes int64
}

func (r *record) begin(command []string) {
	r.started, r.command, r.ended = time.Now(), command, "not run"
	r.forwarded = map[string]int{}
}

// run adds a run that has ended.
func (r *record) run(s *pidfd.ExitStatus, timedOut bool) {
	r.ended = s.String()
	if timedOut {
		r.ended += ", at the time limit"
	}
	r.user += s.UserTime()
	r.system += s.SystemTime()
	switch rss := s.MaxRSS(); {
	case rss > r.memory:
		r.memory, r.exact = rss, s.MaxRSSExact()
	case rss == r.memory:
		r.exact = r.exact || s.MaxRSSExact()
	}
}

func (r *record) end(status int, stderr *stderrCopy) {
	r.status, r.wall = status, time.Since(r.started)
	if r.hasTail = stderr != nil; r.hasTail {
		r.tail, r.stderrBytes = stderr.tail(), stderr.total
	}
}

// write writes the report at once, on lines of its own.
func (r *record) write(w io.Writer, asJSON bool) error {
	var report bytes.Buffer
	if n := len(r.tail); n > 0 && r.tail[n-1] != '\n' {
		report.WriteByte('\n')
	}
	if asJSON {
		if err := r.writeJSON(&report); err != nil {
			return err
		}
	} else {
		r.writeTable(&report)
	}
	_, err := report.WriteTo(w)
	return err
}

// forwardedText returns "none" or "TERM, 3 USR1".
func (r *record) forwardedText() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.forwarded)) {
		if n := r.forwarded[name]; n > 1 {
			name = fmt.Sprint(n, " ", name)
		}
		parts = append(parts, name)
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// memoryText returns "12.3 MiB", "at most 12.3 MiB" or "unknown".
func (r *record) memoryText() string {
	text := fmt.Sprintf("%.1f MiB", float64(r.memory)/(1<<20))
	switch {
	case r.memory == 0:
		return "unknown"
	case r.exact:
		return text
	}
	return "at most " + text
}

func (r *record) writeTable(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "command\t%s\n", strings.Join(r.command, " "))
	fmt.Fprintf(table, "ended\t%s\n", r.ended)
	fmt.Fprintf(table, "status\t%d\n", r.status)
	fmt.Fprintf(table, "wall time\t%.3f s\n", r.wall.Seconds())
	fmt.Fprintf(table, "CPU time\t%.3f s user, %.3f s system\n", r.user.Seconds(), r.system.Seconds())
	fmt.Fprintf(table, "peak memory\t%s\n", r.memoryText())
	fmt.Fprintf(table, "forwarded\t%s\n", r.forwardedText())
	fmt.Fprintf(table, "restarts\t%d\n", r.restarts)
	if r.hasTail {
		fmt.Fprintf(table, "stderr\t%d bytes, the last %d:\n", r.stderrBytes, len(r.tail))
	}
	_ = table.Flush()
	for line := range strings.Lines(string(r.tail)) {
		fmt.Fprintf(w, "  | %s\n", strings.TrimSuffix(line, "\n"))
	}
}

func (r *record) writeJSON(w io.Writer) error {
	report := struct {
		Command     []string       `json:"command"`
		Ended       string         `json:"ended"`
		Status      int            `json:"status"`
		WallSeconds float64        `json:"wall_seconds"`
		UserSeconds float64        `json:"user_seconds"`
		SysSeconds  float64        `json:"system_seconds"`
		PeakMemory  int64          `json:"peak_memory_bytes"`
		PeakExact   bool           `json:"peak_memory_exact"`
		Forwarded   map[string]int `json:"forwarded"`
		Restarts    int            `json:"restarts"`
		StderrBytes int64          `json:"stderr_bytes,omitempty"`
		StderrTail  *string        `json:"stderr_tail,omitempty"`
	}{
		r.command, r.ended, r.status, r.wall.Seconds(), r.user.Seconds(), r.system.Seconds(),
		r.memory, r.exact, r.forwarded, r.restarts, r.stderrBytes, nil,
	}
	if r.hasTail {
		tail := string(r.tail)
		report.StderrTail = &tail
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report)
}
