//go:build !(amd64 || arm64 || riscv64 || loong64)

package capturetest

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// This port has no capture to test.

func Count(syscall.Signal) error                   { return errors.ErrUnsupported }
func Counted() uint64                              { return 0 }
func Fork(syscall.Signal) (unix.WaitStatus, error) { return 0, errors.ErrUnsupported }
