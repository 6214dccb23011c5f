package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// limit is how long the tests of one program may take.
const limit = 2 * time.Minute

// A result is how a test ended: "pass", "fail" or "skip", and what it wrote.
type result struct{ action, output string }

// run runs the tests and returns the results by name, subtests among them.
func (b *build) run(ctx context.Context, flags ...string) (map[string]result, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+10*time.Second)
	defer cancel()
	args := append([]string{"tool", "test2json", b.binary, "-test.v=test2json", "-test.count=1", "-test.timeout=" + limit.String()}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, b.program.args...)...)
	cmd.Dir = b.pkg
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output() // an error where a test has failed
	results := make(map[string]result)
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var event struct{ Action, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Test == "" {
			continue
		}
		r := results[event.Test]
		switch event.Action {
		case "output":
			r.output += event.Output
		case "pass", "fail", "skip":
			r.action = event.Action
		}
		results[event.Test] = r
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("%s: no test ran: %w", b.program.pkg, cmp.Or(err, lines.Err()))
	}
	return results, lines.Err()
}

// skip is the flag that leaves out what takes long and is beside the point.
func (p program) skip(all bool) []string {
	if p.slow == "" || all {
		return nil
	}
	return []string{"-test.skip=" + p.slow}
}

// exercised fails where the profile says that p's tests did not reach one of the
// functions that they should.
func exercised(ctx context.Context, p program, profile string) error {
	text, err := goCommand(ctx, "tool", "cover", "-func="+profile)
	if err != nil {
		return err
	}
	reached := make(map[string]bool) // by name, without the receiver
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 3 && strings.HasPrefix(f[0], prefix) && f[2] != "0.0%" {
			reached[f[1]] = true
		}
	}
	for _, name := range p.calls {
		if !reached[name] {
			return fmt.Errorf("%s: its tests do not reach %s.%s; some need root", p.pkg, p.handle, name)
		}
	}
	return nil
}
