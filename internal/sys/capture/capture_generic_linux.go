//go:build !(amd64 || arm64 || riscv64 || loong64)

package capture

import (
	"errors"
	"fmt"
	"runtime"
)

// A Siginfo is the siginfo_t that the kernel gives a handler, see sigaction(2).
type Siginfo [128]byte

// A Capture takes signals from the process. This port has none.
type Capture struct{}

// Available returns an error that matches errors.ErrUnsupported.
func Available() error {
	return fmt.Errorf("there is no signal handler for linux/%s: %w", runtime.GOARCH, errors.ErrUnsupported)
}

// New fails as Available does.
func New(uint64) (*Capture, error) { return nil, Available() }

// Busy returns nil, because nothing is captured.
func Busy(uint64) error { return nil }

// The methods are for the ports that have a Capture.

func (*Capture) Change(uint64) error { return Available() }
func (*Capture) End()                {}
func (*Capture) Set() uint64         { return 0 }
func (*Capture) Replaced() uint64    { return 0 }
func (*Capture) Dropped() uint64     { return 0 }
func (*Capture) Next(*Siginfo) bool  { return false }
func (*Capture) Empty() bool         { return true }
func (*Capture) Ended() bool         { return true }
func (*Capture) Arm(int)             {}
func (*Capture) Free()               {}

// Wake does nothing, because no goroutine sleeps.
func Wake(int) {}
