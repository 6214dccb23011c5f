package poller

import (
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// An epoll is a poller by epoll(7).
type epoll struct {
	number  int
	watched map[uint64]*fd.Pin
	kernel  [128]unix.EpollEvent
	events  []Event
}

func newEpoll() (Poller, error) {
	number, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &epoll{number: number, watched: make(map[uint64]*fd.Pin)}, nil
}

func (e *epoll) Add(id uint64, f *fd.FD, events uint32) error {
	pin, err := f.Pin()
	if err != nil {
		return err
	}
	if err := e.control(unix.EPOLL_CTL_ADD, id, pin.Number(), events); err != nil {
		pin.Unpin()
		return err
	}
	e.watched[id] = pin
	return nil
}

func (e *epoll) Modify(id uint64, events uint32) error {
	return e.control(unix.EPOLL_CTL_MOD, id, e.watched[id].Number(), events)
}

func (e *epoll) Remove(id uint64) error {
	w := e.watched[id]
	delete(e.watched, id)
	defer w.Unpin()
	return e.control(unix.EPOLL_CTL_DEL, id, w.Number(), 0)
}

// control has the kernel keep the id as the 64 bits that it returns with events.
func (e *epoll) control(op int, id uint64, number int, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(e.number, op, number,
		&unix.EpollEvent{Events: events, Fd: int32(id), Pad: int32(id >> 32)}))
}

func (e *epoll) Wait() ([]Event, error) {
	n, err := unix.EpollWait(e.number, e.kernel[:], -1)
	if err != nil && err != unix.EINTR {
		return nil, os.NewSyscallError("epoll_wait", err)
	}
	e.events = e.events[:0]
	for _, k := range e.kernel[:max(n, 0)] {
		id := uint64(uint32(k.Pad))<<32 | uint64(uint32(k.Fd))
		e.events = append(e.events, Event{id, k.Events})
	}
	return e.events, nil
}

func (e *epoll) Close() error {
	err := unix.Close(e.number)
	for _, w := range e.watched {
		w.Unpin()
	}
	return os.NewSyscallError("close", err)
}
