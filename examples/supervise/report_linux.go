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

// A record is the content of the report, over all runs of the command.
type record struct {
	Command   []string       `json:"command"`
	Ended     string         `json:"ended"` // how the last run ended
	Status    int            `json:"status"`
	Wall      float64        `json:"wall_seconds"`
	User      float64        `json:"user_seconds"`
	System    float64        `json:"system_seconds"`
	Memory    int64          `json:"peak_memory_bytes"` // the most of any run
	Exact     bool           `json:"peak_memory_exact"` // else Memory is an upper limit, see pidfd.ExitStatus.MaxRSS
	Forwarded map[string]int `json:"forwarded"`         // how often each signal was
	Restarts  int            `json:"restarts"`
	Bytes     int64          `json:"stderr_bytes,omitempty"`
	Tail      *string        `json:"stderr_tail,omitempty"`

	started time.Time
}

func newRecord(command []string) record {
	return record{Command: command, Ended: "not run", Forwarded: map[string]int{}, started: time.Now()}
}

// run adds a run that has ended.
func (r *record) run(s *pidfd.ExitStatus, timedOut bool) {
	r.Ended = s.String()
	if timedOut {
		r.Ended += ", at the time limit"
	}
	r.User += s.UserTime().Seconds()
	r.System += s.SystemTime().Seconds()
	switch rss := s.MaxRSS(); {
	case rss > r.Memory:
		r.Memory, r.Exact = rss, s.MaxRSSExact()
	case rss == r.Memory:
		r.Exact = r.Exact || s.MaxRSSExact()
	}
}

func (r *record) end(status int, stderr *stderrCopy) {
	r.Status, r.Wall = status, time.Since(r.started).Seconds()
	if stderr != nil {
		tail := string(stderr.tail())
		r.Tail, r.Bytes = &tail, stderr.total
	}
}

// write writes the report at once, on lines of its own.
func (r *record) write(w io.Writer, asJSON bool) error {
	var report bytes.Buffer
	if r.Tail != nil && *r.Tail != "" && !strings.HasSuffix(*r.Tail, "\n") {
		report.WriteByte('\n')
	}
	if asJSON {
		encoder := json.NewEncoder(&report)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(r); err != nil {
			return err
		}
	} else {
		r.writeTable(&report)
	}
	_, err := report.WriteTo(w)
	return err
}

func (r *record) writeTable(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "command\t%s\n", strings.Join(r.Command, " "))
	fmt.Fprintf(table, "ended\t%s\n", r.Ended)
	fmt.Fprintf(table, "status\t%d\n", r.Status)
	fmt.Fprintf(table, "wall time\t%.3f s\n", r.Wall)
	fmt.Fprintf(table, "CPU time\t%.3f s user, %.3f s system\n", r.User, r.System)
	fmt.Fprintf(table, "peak memory\t%s\n", r.memoryText())
	fmt.Fprintf(table, "forwarded\t%s\n", r.forwardedText())
	fmt.Fprintf(table, "restarts\t%d\n", r.Restarts)
	if r.Tail != nil {
		fmt.Fprintf(table, "stderr\t%d bytes, the last %d:\n", r.Bytes, len(*r.Tail))
	}
	_ = table.Flush()
	if r.Tail != nil {
		for line := range strings.Lines(*r.Tail) {
			fmt.Fprintf(w, "  | %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
}

// memoryText returns "12.3 MiB", "at most 12.3 MiB" or "unknown".
func (r *record) memoryText() string {
	text := fmt.Sprintf("%.1f MiB", float64(r.Memory)/(1<<20))
	switch {
	case r.Memory == 0:
		return "unknown"
	case r.Exact:
		return text
	}
	return "at most " + text
}

// forwardedText returns "none" or "TERM, 3 USR1".
func (r *record) forwardedText() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.Forwarded)) {
		if n := r.Forwarded[name]; n > 1 {
			name = fmt.Sprint(n, " ", name)
		}
		parts = append(parts, name)
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}
