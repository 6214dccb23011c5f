// Package poller has the kernel watch descriptors, by epoll(7) or io_uring(7).
package poller

import "code.hybscloud.com/iofd/fd"

// A Poller tells of a descriptor as long as that is ready (level-triggered), so a caller need
// not take everything at once. It is for one goroutine, which is locked to its thread.
//
// A Poller pins the number of a descriptor from Add until no request uses it after Remove.
// The descriptor may be closed meanwhile, but no other descriptor gets the number.
type Poller interface {
	// Add watches f for events, unix.POLLIN and unix.POLLOUT, which may be none:
	// POLLHUP and POLLERR are told of in any case. No id is given twice.
	Add(id uint64, f *fd.FD, events uint32) error
	Modify(id uint64, events uint32) error
	Remove(id uint64) error

	// Wait returns when there are events. Those it returns are good until the next
	// call, and may be none.
	Wait() ([]Event, error)

	Close() error
}

// An Event tells what the descriptor with an id is ready for.
type Event struct {
	ID     uint64
	Events uint32
}

// Engines has what makes each Poller, by its name.
var Engines = map[string]func() (Poller, error){
	"epoll":    newEpoll,
	"io_uring": newUring,
}
