package iface

import "time"

type PollFd interface{ Fd() int }

type PollCloser interface {
	PollFd
	Close() error
}

type Handle interface {
	PollCloser
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
}

type Signaler interface {
	PollCloser
	Signal(n uint64) error
	Wait() (uint64, error)
}

type Timer interface {
	PollCloser
	Arm(initial, interval time.Duration) error
	Disarm() error
	Read() (uint64, error)
}
