//go:build !(amd64 || arm64 || riscv64 || loong64)

package capture

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

// A Redirection is a signal on its way to a keeper: there is none on this port.
type Redirection struct{}

// Redirect fails as Available does.
func Redirect(syscall.Signal, int) (*Redirection, error) { return nil, Available() }

// Undo is for the ports that have redirections.
func (*Redirection) Undo() {}

// Stolen is for the ports that have redirections.
func (*Redirection) Stolen() bool { return false }

// Lost is 0.
func (*Redirection) Lost() uint64 { return 0 }

// Lost is 0.
func Lost(syscall.Signal) uint64 { return 0 }

// Available returns an error for which errors.Is(err, errors.ErrUnsupported)
// holds.
func Available() error {
	return fmt.Errorf("there is no signal handler for linux/%s: %w", runtime.GOARCH, errors.ErrUnsupported)
}

// Code returns code: no handler changes it.
func Code(code int32) (original int32, changed bool) { return code, false }
