package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"code.hybscloud.com/iofd/examples/internal/subprocess"
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

// write ends the record and writes it at once, on lines of its own. The copy has ended, or
// is nil.
func (r *record) write(w io.Writer, asJSON bool, copied *subprocess.Stderr) error {
	r.Wall = time.Since(r.started).Seconds()
	var report bytes.Buffer
	if copied != nil {
		end, total := copied.Tail()
		tail := string(end)
		r.Tail, r.Bytes = &tail, total
		if tail != "" && !strings.HasSuffix(tail, "\n") {
			report.WriteByte('\n')
		}
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
	fmt.Fprintf(w, "command      %s\nended        %s\nstatus       %d\n", commandText(r.Command), r.Ended, r.Status)
	fmt.Fprintf(w, "wall time    %.3f s\nCPU time     %.3f s user, %.3f s system\n", r.Wall, r.User, r.System)
	fmt.Fprintf(w, "peak memory  %s\nforwarded    %s\nrestarts     %d\n", r.memoryText(), r.forwardedText(), r.Restarts)
	if r.Tail != nil {
		fmt.Fprintf(w, "stderr       %d bytes, the last %d:\n", r.Bytes, len(*r.Tail))
		for line := range strings.Lines(*r.Tail) {
			fmt.Fprintf(w, "  | %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
}

// commandText joins the arguments. It quotes an argument that could be taken for two, or
// for a line of the report.
func commandText(command []string) string {
	var words []string
	for _, word := range command {
		if quoted := strconv.Quote(word); len(quoted) != len(word)+2 || word == "" || strings.Contains(word, " ") {
			word = quoted
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
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
