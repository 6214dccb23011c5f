// Package iface names what the handles of this library have in common, as
// interfaces and nothing else. It imports no system package and builds on
// every platform, so that portable code can accept a handle that only Linux
// can make.
//
// Package fd offers the same names as aliases.
package iface

import "time"

// PollFd is something with a descriptor number to hand to poll(2), epoll(7),
// kqueue(2) or io_uring(7).
type PollFd interface {
	// Fd returns the descriptor number, -1 once closed. The number is only
	// borrowed: it stays the handle's, and is worth nothing after Close.
	Fd() int
}

// PollCloser is a [PollFd] that can be closed.
type PollCloser interface {
	PollFd

	// Close closes the descriptor. A second Close does nothing and returns nil.
	Close() error
}

// Handle is a descriptor that bytes are read from and written to, with the
// contracts of io.Reader and io.Writer.
type Handle interface {
	PollCloser
	Read(p []byte) (n int, err error)
	Write(p []byte) (n int, err error)
}

// Signaler is a counter that one side adds to and the other takes from, as an
// eventfd(2) is.
type Signaler interface {
	PollCloser

	// Signal adds n to the counter.
	Signal(n uint64) error

	// Wait takes the counter's value, without blocking.
	Wait() (uint64, error)
}

// Timer is a timer that is read for the number of times it has expired, as a
// timerfd_create(2) timer is.
type Timer interface {
	PollCloser

	// Arm starts the timer: it expires after initial, then every interval; an
	// interval of 0 makes it expire once.
	Arm(initial, interval time.Duration) error

	// Disarm stops the timer.
	Disarm() error

	// Read takes the number of expirations since the last Read, without
	// blocking.
	Read() (expirations uint64, err error)
}
