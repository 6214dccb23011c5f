//go:build linux || darwin || freebsd

package iofd

import "code.hybscloud.com/iofd/fd"

// FD owns a descriptor: see [fd.FD].
type FD = fd.FD

// The errors that steer control flow: see [fd.ErrWouldBlock] and [fd.ErrClosed].
var (
	ErrWouldBlock = fd.ErrWouldBlock
	ErrClosed     = fd.ErrClosed
)

// NewFD takes ownership of the descriptor raw: see [fd.New].
func NewFD(raw int) *FD { return fd.New(raw) }
