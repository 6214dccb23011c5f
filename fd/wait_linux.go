package fd

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watch returns a file for the runtime's poller, and the events by which it shows
// that number is ready for events.
//
// It is a duplicate, which shares number's open file description and so its
// readiness, and which the poller may close without harm to number. The poller
// only takes descriptors in non-blocking mode, and the mode of one that blocks
// is not ours to change, as others may share it: such a one is put into an
// epoll(7) instance, and the poller watches that.
func watch(number int, events int16) (*os.File, int16, error) {
	flags, err := unix.FcntlInt(uintptr(number), unix.F_GETFL, 0)
	if err != nil {
		return nil, 0, os.NewSyscallError("fcntl", err)
	}
	if flags&unix.O_NONBLOCK != 0 {
		file, err := duplicate(number)
		if file != nil || err != nil {
			return file, events, err
		}
		// It was made blocking before the poller looked at it.
	}
	watcher, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, 0, os.NewSyscallError("epoll_create1", err)
	}
	// The bits of epoll's events are those of poll's.
	event := unix.EpollEvent{Events: uint32(events), Fd: int32(number)}
	if err = unix.EpollCtl(watcher, unix.EPOLL_CTL_ADD, number, &event); err != nil {
		err = os.NewSyscallError("epoll_ctl", err)
	} else if err = unix.SetNonblock(watcher, true); err != nil {
		err = os.NewSyscallError("fcntl", err)
	}
	if err != nil {
		_ = unix.Close(watcher)
		return nil, 0, err
	}
	file := os.NewFile(uintptr(watcher), watchName)
	if err := file.SetDeadline(time.Time{}); err != nil {
		// Package os does not tell why: ENOMEM, or ENOSPC where the user's watches are
		// used up, see /proc/sys/fs/epoll/max_user_watches in epoll(7).
		_ = file.Close()
		return nil, 0, fmt.Errorf("iofd: the runtime's poller does not take descriptor %d to wait for: %w", number, err)
	}
	return file, unix.POLLIN, nil
}
