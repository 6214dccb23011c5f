package sys

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// IsTimerfd reports whether the descriptor number is a timerfd. It asks
// timerfd_gettime(2).
func IsTimerfd(number int) (bool, error) {
	_, err := retryEINTR("timerfd_gettime", func() (int, error) {
		var spec Itimerspec
		_, _, errno := unix.Syscall(sysTimerfdGettime, uintptr(number), uintptr(unsafe.Pointer(&spec)), 0)
		return 0, ofErrno(errno)
	})
	return refusesKind(number, err, unix.EINVAL)
}

// IsPidfd reports whether the descriptor number is a pidfd. It asks waitid(2) with
// P_PIDFD, which answers ECHILD for a process that is not a child of the caller's.
func IsPidfd(number int) (bool, error) {
	_, err := retryEINTR("waitid", func() (int, error) {
		return 0, unix.Waitid(unix.P_PIDFD, number, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	})
	if errors.Is(err, unix.ECHILD) {
		err = nil
	}
	return refusesKind(number, err, unix.EBADF)
}

// refusesKind interprets the error of a call that only one kind of descriptor takes.
// EBADF and other mean that the descriptor is of another kind, if it is open.
func refusesKind(number int, err error, other unix.Errno) (bool, error) {
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EBADF): // O_PATH, or not open
		return false, checkOpen(number)
	case errors.Is(err, other):
		return false, nil
	}
	return false, err
}

// IsAnonymous reports whether the descriptor number is an anonymous inode of a
// kind that no call identifies: "eventfd", "signalfd". Its link in /proc then reads
// anon_inode:[kind]. Some kinds have no brackets there: inotify is one. A descriptor
// opened with O_PATH is of no kind.
func IsAnonymous(number int, kind string) (bool, error) {
	object, err := Object(number)
	if errors.Is(err, unix.ENAMETOOLONG) {
		return false, nil // a file
	}
	if err != nil || object != "anon_inode:["+kind+"]" {
		return false, err
	}
	path, err := isPath(number)
	return !path, err
}

// NotKind returns the error of FromFD of a package for a descriptor that is not kind,
// as in "an eventfd". If /proc can be read, the error names the object.
func NotKind(pkg string, number int, kind string) error {
	object, err := Object(number)
	if err != nil {
		return Invalid("%s: FromFD: descriptor %d is not %s", pkg, number, kind)
	}
	if path, _ := isPath(number); path {
		object += ", opened with O_PATH"
	}
	return Invalid("%s: FromFD: descriptor %d is not %s (%s)", pkg, number, kind, object)
}

// SetNonblock sets O_NONBLOCK on the descriptor number.
func SetNonblock(number int) error {
	_, err := retryEINTR("fcntl", func() (int, error) { return 0, unix.SetNonblock(number, true) })
	return err
}

func isPath(number int) (bool, error) {
	flags, err := retryEINTR("fcntl", func() (int, error) { return unix.FcntlInt(uintptr(number), unix.F_GETFL, 0) })
	return err == nil && flags&unix.O_PATH != 0, err
}

func ofErrno(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
