//go:build !amd64 && !arm64 && !riscv64 && !loong64

package unmask

import (
	"os"

	"golang.org/x/sys/unix"
)

// Supported reports whether this processor has the program.
const Supported = false

// Numbers are descriptor numbers, see the supported processors.
type Numbers struct{ Errors, Program, Target int32 }

// NewFile returns ENOSYS.
func NewFile() (*os.File, error) { return nil, unix.ENOSYS }

// Write returns ENOSYS.
func Write(*os.File, Numbers, string) error { return unix.ENOSYS }
