//go:build !amd64

package main

import (
	"errors"
	"fmt"
	"runtime"
)

func trace(string, []string) (map[site]string, error) {
	return nil, fmt.Errorf("nothing traces linux/%s: %w", runtime.GOARCH, errors.ErrUnsupported)
}
