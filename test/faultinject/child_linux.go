package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/test/internal/program"
)

// The main goroutine keeps the first thread. If another goroutine ended while locked to
// that thread, the runtime would park it with every signal blocked.
func init() {
	if program.IsChild() {
		runtime.LockOSThread()
	}
}

// perform makes a child run a trial with errors, and returns the cells.
func perform(t *trial, index int, with []unix.Errno) ([]cell, error) {
	p, mapping, file, err := newPage()
	if err != nil {
		return nil, err
	}
	defer mapping.Close()
	defer file.Close()
	shared, err := file.File("page")
	if err != nil {
		return nil, err
	}
	defer shared.Close()

	words := []string{fmt.Sprint(index)}
	for _, errno := range with {
		words = append(words, fmt.Sprint(int(errno)))
	}
	cmd, err := program.Child("act", strings.Join(words, " "))
	if err != nil {
		return nil, err
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	socket := fd.New(ends[0])
	defer socket.Close()
	theirs := os.NewFile(uintptr(ends[1]), "socket")
	defer theirs.Close()
	cmd.ExtraFiles = []*os.File{shared, theirs} // as pageNumber and socketNumber
	var out strings.Builder
	cmd.Stdout = &out
	child, err := pidfd.Start(cmd)
	if err != nil {
		return nil, err
	}
	defer child.Close()
	limit := time.AfterFunc(time.Minute, func() { _ = child.SendSignal(unix.SIGKILL) })
	defer limit.Stop()
	s := &supervisor{child: child, socket: socket, page: p, match: t.match}
	served := s.serve()
	if served != nil {
		_ = cmd.Process.Kill()
	}
	if err := errors.Join(served, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("%s, %s: %w\n%s", t.op, t.call, err, out.String())
	}
	var cells []cell
	if err := json.Unmarshal([]byte(out.String()), &cells); err != nil {
		return nil, fmt.Errorf("%s, %s: %w: %q", t.op, t.call, err, out.String())
	}
	return cells, nil
}

// The child's descriptors of the page, and of the socket to the supervisor.
const (
	pageNumber   = 3
	socketNumber = 4
)

// act is a child's part: a trial with some errnos, under a filter that asks the
// supervisor.
func act(argument string) error {
	var index int
	var with []unix.Errno
	for i, word := range strings.Fields(argument) {
		var n int
		if _, err := fmt.Sscan(word, &n); err != nil {
			return err
		}
		if i == 0 {
			index = n
		} else {
			with = append(with, unix.Errno(n))
		}
	}
	t := &trials[index]
	file, err := memfd.FromFD(fd.New(pageNumber))
	if err != nil {
		return err
	}
	defer file.Close()
	p, _, err := mapPage(file) // until the process ends
	if err != nil {
		return err
	}
	// Package os asks only once whether there are pidfds.
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Release()
	}
	goroutines := runtime.NumGoroutine()
	if err := supervise(t.number, p); err != nil {
		return err
	}
	cells := make([]cell, len(with))
	for i, errno := range with {
		cells[i] = t.run(p, errno)
	}
	for try := 0; runtime.NumGoroutine() > goroutines; try++ {
		if try == 1000 {
			buf := make([]byte, 1<<16)
			return fmt.Errorf("left goroutines: %s", buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(time.Millisecond)
	}
	return json.NewEncoder(os.Stdout).Encode(cells)
}

// supervise makes the kernel ask the supervisor about each later call of that number,
// in all threads.
func supervise(number uintptr, p *page) error {
	listener, err := filterAll(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
		systest.Refusal{Call: number, Action: unix.SECCOMP_RET_USER_NOTIF})
	if err != nil {
		return err
	}
	// A call that the supervisor is asked about blocks until the supervisor has the
	// listener. No trial refuses sendmmsg(2).
	if err := sendDescriptor(socketNumber, listener); err != nil {
		return err
	}
	for !p.serving.Load() {
		time.Sleep(50 * time.Microsecond)
	}
	return os.NewSyscallError("close", unix.Close(socketNumber))
}

// sendDescriptor sends a descriptor through a socket, by sendmmsg(2).
func sendDescriptor(socket, number int) error {
	text, rights := []byte{0}, unix.UnixRights(number)
	vector := unix.Iovec{Base: &text[0]}
	vector.SetLen(len(text))
	var message struct { // a struct mmsghdr
		header unix.Msghdr
		length uint32
	}
	message.header.Iov = &vector
	message.header.SetIovlen(1)
	message.header.Control = &rights[0]
	message.header.SetControllen(len(rights))
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(socket), uintptr(unsafe.Pointer(&message)), 1, 0, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("sendmmsg", errno)
	}
	return nil
}

// filterAll installs a filter in all threads, until the process ends.
func filterAll(flags uintptr, refusals ...systest.Refusal) (int, error) {
	return systest.InstallFilter(unix.SECCOMP_FILTER_FLAG_TSYNC|flags, refusals...)
}
