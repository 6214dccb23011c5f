//go:build !amd64

package main

import (
	"errors"
	"fmt"
	"runtime"
)

// A site is a system call, by the package that makes it.
type site struct{ by, call string }

func trace(string, []string) (map[site]string, error) {
	return nil, fmt.Errorf("nothing traces linux/%s: %w", runtime.GOARCH, errors.ErrUnsupported)
}
