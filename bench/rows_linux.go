package main

import (
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

// rows opens what is measured.
func rows() (_ []row, closeAll func(), err error) {
	var open []io.Closer
	closeAll = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	ours, err := eventfd.New(0)
	if err != nil {
		return nil, nil, err
	}
	// A duplicate is shared, and takes the path that may block.
	shared, err := eventfd.New(0)
	if err != nil {
		return nil, nil, err
	}
	duplicate, err := shared.Dup()
	if err != nil {
		return nil, nil, err
	}
	// Package os watches its file's descriptor by epoll(7), which each write wakes.
	theirs, err := eventfd.New(0)
	if err != nil {
		return nil, nil, err
	}
	file, err := theirs.File("eventfd")
	if err != nil {
		return nil, nil, err
	}
	timer, err := timerfd.New(timerfd.Monotonic)
	if err != nil {
		return nil, nil, err
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, nil, err
	}
	r, w := fd.New(p[0]), fd.New(p[1])
	rFile, wFile, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	open = append(open, ours, shared, duplicate, theirs, file, timer, r, w, rFile, wFile)

	return []row{
		{"eventfd Signal+Wait", []way{
			{"bare calls", func(n int) { bareWriteRead(n, ours.Fd(), ours.Fd()) }},
			{"iofd", func(n int) {
				for range n {
					_ = ours.Signal(1)
					_, _ = ours.Wait()
				}
			}},
			{"iofd, shared", func(n int) {
				for range n {
					_ = shared.Signal(1)
					_, _ = shared.Wait()
				}
			}},
			{"x/sys/unix", func(n int) { unixWriteRead(n, ours.Fd(), ours.Fd()) }},
			{"os.File", func(n int) { writeRead(n, file, file) }},
		}},
		{"pipe write+read, 8 B", []way{
			{"bare calls", func(n int) { bareWriteRead(n, p[1], p[0]) }},
			{"iofd", func(n int) { writeRead(n, w, r) }},
			{"x/sys/unix", func(n int) { unixWriteRead(n, p[1], p[0]) }},
			{"os.File", func(n int) { writeRead(n, wFile, rFile) }},
		}},
		{"timerfd Arm", []way{
			{"bare calls", func(n int) {
				spec := unix.ItimerSpec{Value: unix.Timespec{Sec: 3600}}
				for range n {
					_, _, _ = syscall.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(timer.Fd()), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
				}
			}},
			{"iofd", func(n int) {
				for range n {
					_ = timer.Arm(time.Hour, 0)
				}
			}},
			{"x/sys/unix", func(n int) {
				spec := unix.ItimerSpec{Value: unix.Timespec{Sec: 3600}}
				for range n {
					_ = unix.TimerfdSettime(timer.Fd(), 0, &spec, nil)
				}
			}},
		}},
	}, closeAll, nil
}

// The number 1, as 8 bytes of an eventfd in either byte order but for its value.
func one() [8]byte { return [8]byte{7: 1} }

func bareWriteRead(n, w, r int) {
	buf := one()
	p := &buf[0]
	for range n {
		_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, uintptr(w), uintptr(unsafe.Pointer(p)), 8)
		_, _, _ = syscall.RawSyscall(unix.SYS_READ, uintptr(r), uintptr(unsafe.Pointer(p)), 8)
	}
}

func unixWriteRead(n, w, r int) {
	buf := one()
	for range n {
		_, _ = unix.Write(w, buf[:])
		_, _ = unix.Read(r, buf[:])
	}
}

// What goes through an interface escapes; it is not the call that allocates it.
var escaped = one()

func writeRead(n int, w io.Writer, r io.Reader) {
	for range n {
		_, _ = w.Write(escaped[:])
		_, _ = r.Read(escaped[:])
	}
}
