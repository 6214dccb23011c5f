package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
)

// A supervisor answers system calls of a process in place of the kernel, see
// SECCOMP_RET_USER_NOTIF in seccomp(2). It is a process of its own. In one process, the
// collector would wait for a thread in a raw call, and the thread for a supervisor that
// the collector has stopped.
type supervisor struct {
	child  *pidfd.PidFD
	socket *fd.FD // to the child
	page   *page
	match  func(args *[6]uint64) bool
}

// The structs of seccomp(2), which x/sys does not have.
type (
	notification struct {
		id    uint64
		pid   uint32 // of the thread
		flags uint32
		nr    int32
		arch  uint32
		ip    uint64
		args  [6]uint64
	}
	answer struct {
		id    uint64
		val   int64
		err   int32
		flags uint32
	}
)

// The sizes are in the numbers of the commands.
var (
	_ [unix.SECCOMP_IOCTL_NOTIF_RECV >> 16 & 0xff]byte = [unsafe.Sizeof(notification{})]byte{}
	_ [unix.SECCOMP_IOCTL_NOTIF_SEND >> 16 & 0xff]byte = [unsafe.Sizeof(answer{})]byte{}
)

// serve answers until the child has ended.
func (s *supervisor) serve() error {
	listener, err := s.listener()
	if err != nil {
		return err
	}
	defer listener.Close()
	s.page.serving.Store(true)
	for {
		fds := []unix.PollFd{
			{Fd: listener.Raw(), Events: unix.POLLIN},
			{Fd: s.child.Raw(), Events: unix.POLLIN},
		}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
		switch {
		case fds[0].Revents&unix.POLLIN != 0:
			if err := s.answer(listener.Fd()); err != nil {
				return err
			}
		case fds[0].Revents != 0 || fds[1].Revents != 0:
			return nil
		}
	}
}

// listener waits until the child has a filter, and returns a descriptor of it.
func (s *supervisor) listener() (*fd.FD, error) {
	text, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	for {
		_, n, _, _, err := unix.Recvmsg(s.socket.Fd(), text, rights, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err == nil && n > 0 {
			return fromRights(rights[:n])
		} else if err != nil && err != unix.EAGAIN && err != unix.EINTR {
			return nil, os.NewSyscallError("recvmsg", err)
		}
		if alive, err := s.child.Alive(); err != nil || !alive {
			return nil, fmt.Errorf("the child has ended before it had a filter: %w", os.ErrProcessDone)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// fromRights returns the descriptor in a control message.
func fromRights(control []byte) (*fd.FD, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	numbers, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return fd.New(numbers[0]), nil
}

func (s *supervisor) answer(listener int) error {
	var asked notification
	switch errno := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&asked)); errno {
	case 0:
	case unix.ENOENT, unix.EINTR: // a signal has ended the call, or us
		return nil
	default:
		return os.NewSyscallError("ioctl SECCOMP_IOCTL_NOTIF_RECV", errno)
	}
	said := answer{id: asked.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	var errno unix.Errno
	if s.counts(&asked) {
		errno = s.page.verdict(asked.args[0])
	}
	if errno != 0 {
		said.flags, said.err = 0, -int32(errno)
		s.page.refused.Add(1)
	}
	switch e := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&said)); e {
	case 0:
		return nil
	case unix.ENOENT: // a signal has ended the call, which is made again
		if errno != 0 {
			s.page.refused.Add(-1)
			s.page.seen.Add(-1)
		}
		return nil
	default:
		return os.NewSyscallError("ioctl SECCOMP_IOCTL_NOTIF_SEND", e)
	}
}

// counts reports whether the call belongs to the trial. Calls of the Go runtime do not,
// nor do those of the C library when it starts a thread. A child's calls do not,
// either, although it has inherited the filter.
func (s *supervisor) counts(asked *notification) bool {
	if s.match != nil && !s.match(&asked.args) {
		return false
	}
	// The child runs this program too, so its addresses are ours.
	if f := runtime.FuncForPC(uintptr(asked.ip)); f == nil || strings.HasPrefix(f.Name(), "runtime.") {
		return false
	}
	_, err := os.Lstat(fmt.Sprintf("/proc/%d/task/%d", s.child.PID(), asked.pid))
	return err == nil
}

func ioctl(number int, command uint, p unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(number), uintptr(command), uintptr(p))
	return errno
}
