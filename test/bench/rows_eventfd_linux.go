package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
)

func eventfdRows() []row {
	return []row{
		{name: "eventfd Signal+Wait", open: signalWaitWays, bothCounts: true},
		{name: "eventfd open, Signal, close", open: openSignalCloseWays},
	}
}

func signalWaitWays(o *opened) ([]way, error) {
	e, err := o.counter()
	if err != nil {
		return nil, err
	}
	// A duplicate ends the fast path.
	original, err := o.counter()
	if err != nil {
		return nil, err
	}
	duplicate, err := original.Dup()
	if err != nil {
		return nil, err
	}
	o.atEnd(duplicate.Close)
	file, err := o.eventfdFile()
	if err != nil {
		return nil, err
	}
	p := make([]byte, 8)
	return []way{
		timed("bare calls", func(n int) error { return bareSignalWait(n, e.Fd()) }),
		timed("iofd", func(n int) error { return signalWait(n, e) }),
		timed("iofd, after Dup", func(n int) error { return signalWait(n, original) }),
		timed("x/sys/unix", func(n int) error {
			b := one()
			return unixWriteRead(n, e.Fd(), e.Fd(), b[:])
		}),
		timed("os.File", func(n int) error {
			b := one()
			copy(p, b[:])
			return fileWriteRead(n, file, file, p)
		}),
	}, nil
}

// eventfdFile returns an eventfd as an os.File. The runtime's epoll(7) watches it,
// and each write wakes epoll.
func eventfdFile() (*os.File, error) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(number), "eventfd"), nil
}

func openSignalCloseWays(*opened) ([]way, error) {
	p := one()
	return []way{
		timed("bare calls", times(bareOpenSignalClose)),
		timed("iofd", times(func() error {
			e, err := eventfd.New(0)
			if err != nil {
				return err
			}
			return errors.Join(e.Signal(1), e.Close())
		})),
		timed("x/sys/unix", times(func() error {
			number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			if err != nil {
				return err
			}
			_, err = unix.Write(number, p[:])
			return errors.Join(err, unix.Close(number))
		})),
		timed("os.File", times(func() error {
			file, err := eventfdFile()
			if err != nil {
				return err
			}
			_, err = file.Write(p[:])
			return errors.Join(err, file.Close())
		})),
	}, nil
}
