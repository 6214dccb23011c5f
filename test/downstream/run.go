package downstream

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A result is how a test ended: "pass", "fail" or "skip", and what it wrote.
type result struct{ action, output string }

// run runs the tests and returns the results by name, subtests among them. If a test
// ends the run because it hangs or panics, run runs the rest without it. So a failure
// that occurs now and then does not hide the results of the other tests.
func (b *build) run(ctx context.Context, skip []string, flags ...string) (map[string]result, error) {
	results := make(map[string]result)
	for {
		some, whole, err := b.once(ctx, append(flags, "-test.skip="+strings.Join(skip, "|"))...)
		if err != nil {
			return nil, err
		}
		maps.Copy(results, some)
		if len(results) == 0 {
			return nil, fmt.Errorf("%s: no test ran", b.program.pkg)
		}
		if whole {
			return results, nil
		}
		skipped := len(skip)
		for name, r := range some {
			if strings.Contains(r.output, "--- ") && !strings.Contains(r.output, "panic: ") {
				continue // it had ended
			}
			r.action = "fail"
			results[name] = r
			if name = exactly(name); !slices.Contains(skip, name) {
				skip = append(skip, name)
			}
		}
		if len(skip) == skipped {
			return nil, fmt.Errorf("%s: the tests ended, and none of them: %v", b.program.pkg, slices.Sorted(maps.Keys(some)))
		}
	}
}

// once runs tests, and reports whether it came to their end.
func (b *build) once(ctx context.Context, flags ...string) (results map[string]result, whole bool, err error) {
	limit := cmp.Or(b.program.limit, 90*time.Second)
	ctx, cancel := context.WithTimeout(ctx, limit+10*time.Second)
	defer cancel()
	args := append([]string{"tool", "test2json", b.binary, "-test.v=test2json", "-test.count=1", "-test.timeout=" + limit.String()}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, b.program.args...)...)
	cmd.Dir = b.pkg
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output() // an error where a test has failed
	results = make(map[string]result)
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var event struct{ Action, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &event) != nil {
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
	whole = results[""].action != ""
	delete(results, "") // the package itself
	if len(results) == 0 && err != nil {
		return nil, false, fmt.Errorf("%s: no test ran: %w", b.program.pkg, err)
	}
	return results, whole, lines.Err()
}

// exactly matches a test by its name, and a subtest by its parent's.
func exactly(name string) string {
	parent, _, _ := strings.Cut(name, "/")
	return "^" + regexp.QuoteMeta(parent) + "$"
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
