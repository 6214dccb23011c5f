package main

import "code.hybscloud.com/iofd/fd"

// A poller has the kernel watch descriptors. It tells of a descriptor as long as that is
// ready (level-triggered), so a caller need not take everything at once.
//
// A poller pins the number of a descriptor from add until no request uses it after remove.
// The descriptor may be closed meanwhile, but no other descriptor gets the number.
type poller interface {
	// add watches f for events, unix.POLLIN and unix.POLLOUT, which may be none:
	// POLLHUP and POLLERR are told of in any case. No id is given twice.
	add(id uint64, f *fd.FD, events uint32) error
	modify(id uint64, events uint32) error
	remove(id uint64) error

	// wait returns when there are events. Those it returns are good until the next
	// call, and may be none.
	wait() ([]event, error)

	close() error
}

type event struct {
	id     uint64
	events uint32
}

// engines has what makes each poller.
var engines = map[string]func() (poller, error){
	"epoll":    newEpoll,
	"io_uring": newUring,
}
