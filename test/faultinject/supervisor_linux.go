package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A supervisor answers system calls of a process in place of the kernel, see
// SECCOMP_RET_USER_NOTIF in seccomp(2). It is a process of its own. In one process, the
// collector would wait for a thread in a raw call, and the thread for a supervisor that
// the collector has stopped.
type supervisor struct {
	trial  *trial
	child  int // its PID
	socket int // to the child, closed when it ends

	// The child's order.
	errno       unix.Errno // 0 to refuse no call
	number      int32      // the first argument of the calls that count, or every
	first, last int        // of the calls that count, these are refused
	seen        int        // the calls that counted since the order
	refused     int        // those of them that were refused
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
	defer unix.Close(listener)
	for {
		fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}, {Fd: int32(s.socket)}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
		switch {
		case fds[0].Revents&unix.POLLIN != 0:
			if err := s.answer(listener); err != nil {
				return err
			}
		case fds[0].Revents != 0 || fds[1].Revents != 0:
			return nil
		}
	}
}

// listener receives the descriptor of the child's filter.
func (s *supervisor) listener() (int, error) {
	text, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(s.socket, text, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) == 0 {
		return -1, errors.Join(errors.New("the child has ended before it had a filter"), err)
	}
	numbers, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return numbers[0], nil
}

func (s *supervisor) answer(listener int) error {
	var asked notification
	err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&asked))
	if err == unix.ENOENT || err == unix.EINTR { // a signal has ended the call, or the ioctl
		return nil
	} else if err != 0 {
		return os.NewSyscallError("ioctl SECCOMP_IOCTL_NOTIF_RECV", err)
	}
	said := answer{id: asked.id}
	counts := s.counts(&asked)
	switch n := s.seen + 1; {
	case asked.nr == orderCall:
		said.val = int64(s.obey(&asked.args))
	case counts && s.first <= n && n <= s.last:
		said.err = -int32(s.errno)
	default:
		said.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	}
	err = ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&said))
	if err == unix.ENOENT { // a signal has ended the call, which is made again
		return nil
	} else if err != 0 {
		return os.NewSyscallError("ioctl SECCOMP_IOCTL_NOTIF_SEND", err)
	}
	if counts {
		s.seen++
	}
	if said.err != 0 {
		s.refused++
	}
	return nil
}

// obey carries out an order, and returns how many calls were refused. The order may come
// twice, if a signal ends the call.
func (s *supervisor) obey(args *[6]uint64) int {
	s.errno, s.number = unix.Errno(args[1]), int32(args[2])
	s.first, s.last = int(args[3]), int(args[4])
	if s.errno != 0 {
		s.seen, s.refused = 0, 0
	}
	return s.refused
}

// counts reports whether the call belongs to the trial. Calls of the Go runtime do not,
// nor do those of the C library when it starts a thread. A child's calls do not,
// either, although it has inherited the filter.
func (s *supervisor) counts(asked *notification) bool {
	if s.errno == 0 || s.number != every && s.number != int32(asked.args[0]) {
		return false
	}
	if callName(uintptr(asked.nr), &asked.args) != s.trial.call || s.trial.match != nil && !s.trial.match(&asked.args) {
		return false
	}
	// The child runs this program too, so its addresses are ours.
	if f := runtime.FuncForPC(uintptr(asked.ip)); f == nil || strings.HasPrefix(f.Name(), "runtime.") {
		return false
	}
	_, err := os.Lstat(fmt.Sprintf("/proc/%d/task/%d", s.child, asked.pid))
	return err == nil
}

func ioctl(number int, command uint, p unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(number), uintptr(command), uintptr(p))
	return errno
}
