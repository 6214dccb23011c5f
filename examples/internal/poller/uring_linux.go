package poller

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// A uring is a poller by io_uring(7). Each watch is a poll request for one event. After
// the event, the next wait adds another request in the system call that waits. The kernel
// answers at once if the descriptor is still ready.
//
// From Linux 5.15, a request also ends when the peer has shut down its sending side
// (POLLRDHUP), which lasts. After an end without a wanted event, the requests of the watch
// are multishot requests. They tell of changes only.
type uring struct {
	*ring
	polls   map[uint64]*poll
	changed []*poll // those that the next wait has to look at
	events  []Event
}

type poll struct {
	*fd.Pin
	id        uint64
	wanted    uint32
	requested uint32 // of the kernel, by a request that has not been completed
	removed   bool
	queued    bool // it is among the changed
	multishot bool
	renew     bool // a multishot request has told of a wanted event, so look again
	canceling bool
}

func newUring() (Poller, error) {
	r, err := newRing()
	if err != nil {
		return nil, fmt.Errorf("io_uring cannot be used here, try -engine epoll: %w", err)
	}
	return &uring{ring: r, polls: make(map[uint64]*poll)}, nil
}

func (u *uring) Add(id uint64, f *fd.FD, events uint32) error {
	pin, err := f.Pin()
	if err != nil {
		return err
	}
	u.polls[id] = &poll{Pin: pin, id: id}
	return u.Modify(id, events)
}

func (u *uring) Modify(id uint64, events uint32) error {
	// The kernel adds these two itself, which makes a request for nothing one for them.
	u.polls[id].wanted = events | unix.POLLHUP | unix.POLLERR
	u.change(u.polls[id])
	return nil
}

func (u *uring) Remove(id uint64) error {
	u.polls[id].removed = true
	u.change(u.polls[id])
	return nil
}

func (u *uring) change(p *poll) {
	if !p.queued {
		p.queued = true
		u.changed = append(u.changed, p)
	}
}

func (u *uring) Wait() ([]Event, error) {
	done := 0
	for ; done < len(u.changed) && !u.full(); done++ {
		u.update(u.changed[done])
	}
	u.changed = slices.Delete(u.changed, 0, done)
	completions := 1
	if len(u.changed) > 0 || len(u.polls) == 0 {
		completions = 0
	}
	if err := u.enter(completions); err != nil {
		return nil, err
	}
	u.events = u.events[:0]
	for c, ok := u.completion(); ok; c, ok = u.completion() {
		p := u.polls[c.userData]
		if p == nil {
			continue // of a cancellation: the canceled request has its own
		}
		if c.flags&moreFollow == 0 {
			p.requested, p.canceling, p.renew = 0, false, false
			u.change(p)
		}
		switch {
		case p.removed:
		case c.result > 0 && uint32(c.result)&p.wanted == 0:
			p.multishot = true
		case c.result > 0:
			u.events = append(u.events, Event{p.id, uint32(c.result) & p.wanted})
			if p.requested != 0 {
				p.renew = true
				u.change(p)
			}
		case c.result < 0 && unix.Errno(-c.result) != unix.ECANCELED:
			return nil, os.NewSyscallError("io_uring: poll", unix.Errno(-c.result))
		}
	}
	return u.events, nil
}

// update brings what the kernel was asked for nearer to what is wanted.
func (u *uring) update(p *poll) {
	p.queued = false
	switch {
	case p.requested == 0 && p.removed:
		delete(u.polls, p.id)
		p.Unpin() // no request uses the number any more
	case p.requested == 0:
		p.requested = p.wanted
		request := sqe{opcode: opPollAdd, fd: int32(p.Number()), pollEvents: uint16(p.wanted), userData: p.id}
		if p.multishot {
			request.pollFlags = pollMultishot
		}
		u.submit(request)
	case (p.removed || p.renew || p.requested != p.wanted) && !p.canceling:
		p.canceling = true
		u.submit(sqe{opcode: opPollRemove, fd: -1, addr: p.id})
	}
}

func (u *uring) Close() error {
	for id := range u.polls {
		_ = u.Remove(id)
	}
	for len(u.polls) > 0 {
		if _, err := u.Wait(); err != nil {
			return err
		}
	}
	return u.ring.close()
}
