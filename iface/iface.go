// Package iface declares the interfaces that the handles of this library have in
// common. It imports no system package and builds on every platform, so portable
// code can accept a handle that exists only on Linux.
//
// Package fd has the same names as aliases. The handles of this library allow
// concurrent calls of every method, Close included.
package iface

import "time"

// PollFd is the interface of a type that has a descriptor number. The number is for
// poll(2), epoll(7), kqueue(2) or io_uring(7).
type PollFd interface {
	// Fd returns the descriptor number, or -1 if the handle is closed. The number
	// is borrowed. After Close, the kernel may reuse it for another descriptor.
	Fd() int
}

// PollCloser is a [PollFd] with a method Close.
type PollCloser interface {
	PollFd

	// Close closes the descriptor. A second Close does nothing and returns nil.
	Close() error
}

// Handle is a descriptor with the read and write methods of io.Reader and
// io.Writer.
type Handle interface {
	PollCloser
	Read(p []byte) (n int, err error)
	Write(p []byte) (n int, err error)
}

// Signaler is a counter like an eventfd(2): one side adds to it and the other side
// takes from it.
type Signaler interface {
	PollCloser

	// Signal adds n to the counter.
	Signal(n uint64) error

	// Wait takes the value of the counter. It does not block.
	Wait() (uint64, error)
}

// Timer is a timer like that of timerfd_create(2), which counts its expirations.
type Timer interface {
	PollCloser

	// Arm starts the timer. It expires after initial, and then after every
	// interval. If interval is 0, it expires once.
	Arm(initial, interval time.Duration) error

	// Disarm stops the timer.
	Disarm() error

	// Read takes the number of expirations since the last Read. It does not
	// block.
	Read() (expirations uint64, err error)
}
