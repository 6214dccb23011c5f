//go:build !amd64

package main

import (
	"errors"
	"fmt"
	"runtime"
)

var errNoTracer = fmt.Errorf("nothing traces linux/%s: %w", runtime.GOARCH, errors.ErrUnsupported)

func trace(string, []string) (map[site]string, error) {
	return nil, errNoTracer
}

func traced(string) error { return errNoTracer }
