package fd

import (
	"os"

	"golang.org/x/sys/unix"
)

// epollInstance returns an epoll(7) instance with number in it. The mode of a
// descriptor that blocks is not ours to change, because other processes may share
// it. An edge tells of a change even if poll(2) says ready all the time.
func epollInstance(number int) (int, error) {
	instance, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("epoll_create1", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET, Fd: int32(number)}
	if err = unix.EpollCtl(instance, unix.EPOLL_CTL_ADD, number, &event); err != nil {
		err = os.NewSyscallError("epoll_ctl", err)
	} else if err = unix.SetNonblock(instance, true); err != nil {
		err = os.NewSyscallError("fcntl", err)
	}
	if err != nil {
		_ = unix.Close(instance)
		return -1, err
	}
	return instance, nil
}

// collectEdge takes the edge that the epoll instance has, and reports whether there
// is one for s.
func (s *side) collectEdge(instance int) bool {
	var events [1]unix.EpollEvent
	if n, _ := unix.EpollWait(instance, events[:], 0); n > 0 {
		if events[0].Events&^unix.EPOLLOUT != 0 {
			s.sides[reading].signal()
		}
		if events[0].Events&^unix.EPOLLIN != 0 {
			s.sides[writing].signal()
		}
	}
	select {
	case <-s.event:
		return true
	default:
		return false
	}
}
