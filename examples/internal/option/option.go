// Package option parses the values of command lines.
package option

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration parses a Go duration or, as sleep(1) and timeout(1) do, a number of seconds. It
// returns an error for a negative one.
func Duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, number := strconv.ParseFloat(text, 64); number == nil {
		// Rounding up keeps a short time from becoming 0. NaN and Inf remain errors.
		if ns := math.Ceil(seconds * 1e9); math.Abs(ns) < math.MaxInt64 {
			d, err = time.Duration(ns), nil
		}
	}
	switch {
	case err != nil:
		return 0, errors.New("not a duration, such as 300ms, 1.5s or 2m")
	case d < 0 || strings.HasPrefix(text, "-"):
		return 0, errors.New("must not be negative")
	}
	return d, nil
}

// Count parses a whole number from 0 to 1073741823.
func Count(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 30)
	if err != nil {
		return 0, errors.New("not a whole number from 0 to 1073741823")
	}
	return int(n), nil
}
