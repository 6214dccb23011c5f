package downstream

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A report is what came of a program's tests.
type report struct {
	program program
	version string
	passed  []string          // before and after
	skipped []string          // by themselves, before
	broken  map[string]string // failed before, with what they wrote: they say nothing of us
	mended  []string          // failed before and pass after
	lost    map[string]string // passed before and do not pass after
}

// compare runs the tests of p before and after in a copy under dir, without those that
// skip matches.
func compare(ctx context.Context, p program, dir string, skip []string) (*report, error) {
	theirs, moved, err := both(ctx, p, dir)
	if err != nil {
		return nil, err
	}
	// One after the other: some listen on ports that they name.
	before, err := theirs.run(ctx, skip)
	if err != nil {
		return nil, err
	}
	profile := filepath.Join(dir, "coverage")
	after, err := moved.run(ctx, skip, "-test.coverprofile="+profile)
	if err != nil {
		return nil, err
	}
	alone := func(tests []string) error {
		if len(tests) == 0 {
			return nil
		}
		var only []string
		for _, name := range tests {
			only = append(only, exactly(name))
		}
		slices.Sort(only)
		flag := "-test.run=" + strings.Join(slices.Compact(only), "|")
		for b, results := range map[*build]map[string]result{theirs: before, moved: after} {
			again, err := b.run(ctx, nil, flag)
			if err != nil {
				return err
			}
			maps.Copy(results, again)
		}
		return nil
	}
	// Ours look at numbers, which what theirs left behind may close or take.
	if err := alone(p.mended); err != nil {
		return nil, err
	}
	// Many tests expect an idle machine. So the lost tests run twice more, alone, before
	// and after the move.
	r := judge(p, before, after)
	for range 2 {
		if err := alone(slices.Collect(maps.Keys(r.lost))); err != nil {
			return nil, err
		}
		r = judge(p, before, after)
	}
	r.version = theirs.version
	if err := r.verdict(); err != nil {
		return r, err
	}
	return r, exercised(ctx, p, profile)
}

func judge(p program, before, after map[string]result) *report {
	r := &report{program: p, broken: make(map[string]string), lost: make(map[string]string)}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was, is := before[name], after[name]
		switch {
		case slices.Contains(p.mended, name):
			if was.action == "fail" && is.action == "pass" {
				r.mended = append(r.mended, name)
			}
		case was.action == "skip":
			r.skipped = append(r.skipped, name)
		case was.action != "pass":
			r.broken[name] = was.output
		case is.action != "pass":
			r.lost[name] = is.action + "\n" + is.output
		default:
			r.passed = append(r.passed, name)
		}
	}
	return r
}

// verdict is an error where moving p has broken something, or shows nothing.
func (r *report) verdict() error {
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(r.lost)) {
		faults = append(faults, fmt.Sprintf("%s passes before, and after: %s", name, r.lost[name]))
	}
	if len(r.passed) == 0 {
		faults = append(faults, "no test passes before and after")
	}
	for _, name := range r.program.mended {
		if !slices.Contains(r.mended, name) {
			faults = append(faults, name+" does not fail before and pass after")
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", r.program.pkg, strings.Join(faults, "\n"))
}

// String is a line of numbers, and one for each test that fails before, with what
// it says.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, on %s: %d tests pass before and after, %d skip themselves, %d fail as they are",
		r.program.pkg, r.version, r.program.handle, len(r.passed), len(r.skipped), len(r.broken))
	for _, name := range r.mended {
		fmt.Fprintf(&b, "\n\tmended: %s", name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.broken)) {
		fmt.Fprintf(&b, "\n\tfails as it is: %s: %s", name, complaint(r.broken[name]))
	}
	return b.String()
}

// complaint is the beginning of what a failed test says of its own.
func complaint(output string) string {
	_, said, found := strings.Cut(output, "_test.go:")
	if !found {
		return "see its subtests"
	}
	said, _, _ = strings.Cut(said, "--- FAIL")
	words := strings.Join(strings.Fields(said), " ")
	return "line " + words[:min(len(words), 240)]
}
