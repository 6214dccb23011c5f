//go:build linux

// Library calls signalfd.Block from a shared library or a plugin.
package main

import "C"

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/signalfd"
)

// Block returns the result of signalfd.Block.
func Block() string {
	err := signalfd.Block(signalfd.NewSet(unix.SIGUSR1))
	return fmt.Sprintf("%v, unsupported %v", err, errors.Is(err, errors.ErrUnsupported))
}

// CBlock is Block for C.
//
//export CBlock
func CBlock() *C.char { return C.CString(Block()) }

func main() {}
