// Package flags has what the command lines of the examples share. Its errors are one line and
// name what is wrong.
package flags

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrHelp is the error of Parse for -h.
var ErrHelp = flag.ErrHelp

// A Set has the flags of a program.
type Set struct{ *flag.FlagSet }

// New returns a Set without flags for the program of that name.
func New(name string) Set {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return Set{flags}
}

// Parse reads a command line of flags only, and returns the names of those that it has.
func (s Set) Parse(args []string) (given map[string]bool, err error) {
	if err := s.FlagSet.Parse(args); err != nil {
		return nil, err
	}
	if s.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: see %s -h", s.Arg(0), s.Name())
	}
	given = make(map[string]bool)
	s.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given, nil
}

// Var adds a flag whose value parse reads into v.
func Var[T any](s Set, name string, v *T, parse func(text string) (T, error)) {
	s.Func(name, "", func(text string) (err error) {
		*v, err = parse(text)
		return err
	})
}

// Duration reads a duration of at least 0.
func Duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, errors.New("not a duration, such as 300ms, 1.5s or 1h30m")
	case d < 0:
		return 0, errors.New("must not be negative")
	}
	return d, nil
}

// Positive reads a duration of more than 0.
func Positive(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil && d <= 0 {
		return 0, errors.New("must be more than 0")
	}
	return Duration(text)
}

// Seconds reads a duration of at least 0 or, as sleep(1) and timeout(1) do, a number of
// seconds.
func Seconds(text string) (time.Duration, error) {
	d, err := Duration(text)
	if seconds, number := strconv.ParseFloat(text, 64); number == nil {
		// Rounding up keeps a short time from becoming 0. NaN and Inf remain errors.
		if ns := math.Ceil(seconds * 1e9); math.Abs(ns) < math.MaxInt64 {
			d, err = time.Duration(ns), nil
		}
	}
	if err == nil && strings.HasPrefix(text, "-") {
		err = errors.New("must not be negative")
	}
	return d, err
}

// Count returns a function that reads whole numbers from least to most.
func Count[T int | int64 | uint64](least, most T) func(text string) (T, error) {
	return func(text string) (T, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < int64(least) || n > int64(most) {
			return 0, fmt.Errorf("not a whole number from %d to %d", least, most)
		}
		return T(n), nil
	}
}
