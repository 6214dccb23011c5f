package main

import (
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
)

func eventfdRows() []row {
	return []row{
		{name: "eventfd Signal+Wait", open: signalWaitWays, bothLanes: true},
		{name: "eventfd open, Signal+Wait, close", open: openUseCloseWays},
	}
}

func signalWaitWays(o *opened) ([]way, error) {
	e, err := o.counter()
	if err != nil {
		return nil, err
	}
	// What has a duplicate is shared, and takes the path that may block.
	original, err := o.counter()
	if err != nil {
		return nil, err
	}
	duplicate, err := original.Dup()
	if err != nil {
		return nil, err
	}
	o.atEnd(duplicate.Close)
	file, err := eventfdFile()
	if err != nil {
		return nil, err
	}
	o.atEnd(file.Close)
	p := make([]byte, 8)
	return []way{
		timed("bare calls", func(n int) error { return bareSignalWait(n, e.Fd()) }),
		timed("iofd", func(n int) error { return signalWait(n, e) }),
		timed("iofd, after Dup", func(n int) error { return signalWait(n, original) }),
		timed("raw, escaping buffers", times(func() error { return escapingSignalWait(e.Fd()) })),
		timed("x/sys/unix", func(n int) error {
			b := one()
			return unixWriteRead(n, e.Fd(), e.Fd(), b[:])
		}),
		timed("os.File", func(n int) error {
			b := one()
			copy(p, b[:])
			return writeRead(n, file, file, p)
		}),
	}, nil
}

// eventfdFile returns an eventfd as package os has it: watched by the runtime's
// epoll(7), which each write wakes.
func eventfdFile() (*os.File, error) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(number), "eventfd"), nil
}

func openUseCloseWays(*opened) ([]way, error) {
	p := make([]byte, 8)
	return []way{
		timed("bare calls", times(func() error {
			number, err := bareEventfd()
			if err != nil {
				return err
			}
			if err := bareSignalWait(1, number); err != nil {
				return err
			}
			return bareClose(number)
		})),
		timed("iofd", times(func() error {
			e, err := eventfd.New(0)
			if err != nil {
				return err
			}
			if err := signalWait(1, e); err != nil {
				return err
			}
			return e.Close()
		})),
		timed("x/sys/unix", times(func() error {
			number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			if err != nil {
				return err
			}
			b := one()
			if err := unixWriteRead(1, number, number, b[:]); err != nil {
				return err
			}
			return unix.Close(number)
		})),
		timed("os.File", times(func() error {
			file, err := eventfdFile()
			if err != nil {
				return err
			}
			b := one()
			copy(p, b[:])
			if err := writeRead(1, file, file, p); err != nil {
				return err
			}
			return file.Close()
		})),
	}, nil
}
