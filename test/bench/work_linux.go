package main

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// Several rows use the functions of this file.

var errShort = errors.New("a read or write was cut short")

// times returns a function that does the work n times, or until it fails.
func times(do func() error) func(n int) error {
	return func(n int) error {
		for range n {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	}
}

// one returns the number 1 in the form of an eventfd.
func one() (b [8]byte) {
	binary.NativeEndian.PutUint64(b[:], 1)
	return b
}

func signalWait(n int, e *eventfd.EventFD) error {
	for range n {
		if err := e.Signal(1); err != nil {
			return err
		}
		if _, err := e.Wait(); err != nil {
			return err
		}
	}
	return nil
}

func unixWriteRead(n, w, r int, p []byte) error {
	for range n {
		if k, err := unix.Write(w, p); err != nil || k != len(p) {
			return errors.Join(err, errShort)
		}
		if k, err := unix.Read(r, p); err != nil || k != len(p) {
			return errors.Join(err, errShort)
		}
	}
	return nil
}

// writeRead calls the methods of the type that a program holds. A call by way of
// io.Writer costs one more frame.
func writeRead(n int, w, r *fd.FD, p []byte) error {
	for range n {
		if k, err := w.Write(p); err != nil || k != len(p) {
			return errors.Join(err, errShort)
		}
		if k, err := r.Read(p); err != nil || k != len(p) {
			return errors.Join(err, errShort)
		}
	}
	return nil
}

func fileWriteRead(n int, w, r *os.File, p []byte) error {
	for range n {
		if k, err := w.Write(p); err != nil || k != len(p) {
			return errors.Join(err, errShort)
		}
		if k, err := r.Read(p); err != nil || k != len(p) {
			return errors.Join(err, errShort)
		}
	}
	return nil
}

func vectors(n int, w, r *fd.FD, p, q []byte) error {
	size := len(p) + len(q)
	for range n {
		if k, err := w.Writev([][]byte{p, q}); err != nil || k != size {
			return errors.Join(err, errShort)
		}
		if k, err := r.Readv([][]byte{p, q}); err != nil || k != size {
			return errors.Join(err, errShort)
		}
	}
	return nil
}

func unixVectors(n, w, r int, p, q []byte) error {
	size := len(p) + len(q)
	for range n {
		if k, err := unix.Writev(w, [][]byte{p, q}); err != nil || k != size {
			return errors.Join(err, errShort)
		}
		if k, err := unix.Readv(r, [][]byte{p, q}); err != nil || k != size {
			return errors.Join(err, errShort)
		}
	}
	return nil
}

// controlVectors is how a program makes a call that FD does not have.
func controlVectors(n int, w, r *fd.FD, p, q []byte) error {
	for range n {
		if err := w.Control(func(number int) error { return second(unix.Writev(number, [][]byte{p, q})) }); err != nil {
			return err
		}
		if err := r.Control(func(number int) error { return second(unix.Readv(number, [][]byte{p, q})) }); err != nil {
			return err
		}
	}
	return nil
}

func second(_ int, err error) error { return err }
