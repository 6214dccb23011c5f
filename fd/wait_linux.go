package fd

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// watchEdges watches an epoll(7) instance with number in it. The mode of a
// descriptor that blocks is not ours to change, because other processes may share
// it; and an edge tells of a change even if poll(2) says ready all the time.
func watchEdges(number int) (*watched, error) {
	instance, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET&(1<<32-1), Fd: int32(number)}
	if err = unix.EpollCtl(instance, unix.EPOLL_CTL_ADD, number, &event); err != nil {
		err = os.NewSyscallError("epoll_ctl", err)
	} else if err = unix.SetNonblock(instance, true); err != nil {
		err = os.NewSyscallError("fcntl", err)
	}
	if err != nil {
		_ = unix.Close(instance)
		return nil, err
	}
	if w := watch(instance, true); w != nil {
		return w, nil
	}
	// Package os does not say why: ENOMEM, or ENOSPC if the user's watches are used
	// up, see /proc/sys/fs/epoll/max_user_watches in epoll(7).
	return nil, fmt.Errorf("iofd: cannot register descriptor %d with the runtime's poller: %w", number, os.ErrNoDeadline)
}

// useEdges replaces the duplicate by an epoll instance.
func (p *poller) useEdges(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.watch.Load()
	number, err := p.f.d.Incref()
	if err != nil || old.edges {
		return err
	}
	defer p.f.d.Decref()
	w, err := watchEdges(number)
	if err != nil {
		return err
	}
	p.watch.Store(w)
	p.unwatch(old)
	return nil
}

// collectEvents takes the edge that the epoll instance has, and reports whether
// there is one for s.
func (s *side) collectEvents(instance uintptr) bool {
	var events [1]unix.EpollEvent
	if n, _ := unix.EpollWait(int(instance), events[:], 0); n > 0 {
		if events[0].Events&^unix.EPOLLOUT != 0 {
			s.p.sides[reading].signal()
		}
		if events[0].Events&^unix.EPOLLIN != 0 {
			s.p.sides[writing].signal()
		}
	}
	select {
	case <-s.event:
		return true
	default:
		return false
	}
}
