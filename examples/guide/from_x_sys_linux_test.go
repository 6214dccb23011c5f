package guide_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/timerfd"
)

// Counting with x/sys/unix.
func addBare(number int, n uint64) error {
	var p [8]byte
	binary.NativeEndian.PutUint64(p[:], n)
	for {
		_, err := unix.Write(number, p[:])
		if err != unix.EINTR {
			return err // EAGAIN: the counter is full
		}
	}
}

func takeBare(number int) (uint64, error) {
	var p [8]byte
	for {
		_, err := unix.Read(number, p[:])
		if err != unix.EINTR {
			return binary.NativeEndian.Uint64(p[:]), err // EAGAIN: it is 0
		}
	}
}

// The same with either.
func Example_count() {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		log.Fatal(err)
	}
	defer unix.Close(number)
	fmt.Println(addBare(number, 3))
	fmt.Println(takeBare(number))

	e, err := eventfd.New(0)
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	err = e.Signal(3)
	n, err2 := e.Wait()
	fmt.Println(err, n, err2)
	// Output:
	// <nil>
	// 3 <nil>
	// <nil> 3 <nil>
}

// A delay that was worked out, and may have come to 0.
func Example_delay() {
	delay := 0 * time.Second

	number, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		log.Fatal(err)
	}
	defer unix.Close(number)
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(delay.Nanoseconds())}
	err = unix.TimerfdSettime(number, 0, &spec, nil) // nil, and never expires
	fmt.Println(err)
	_, err = takeBare(number)
	fmt.Println(err)

	t, err := timerfd.New(timerfd.Monotonic)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	err = t.Arm(delay, 0)
	expirations, err2 := t.ReadContext(context.Background()) // 1, at once
	fmt.Println(err, expirations, err2)
	// Output:
	// <nil>
	// resource temporarily unavailable
	// <nil> 1 <nil>
}

// Waiting for a child with x/sys/unix.
func waitBare(pid int) (unix.WaitStatus, error) {
	number, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(number)
	fds := []unix.PollFd{{Fd: int32(number), Events: unix.POLLIN}}
	for {
		// A whole thread stands still here, and no context ends it.
		if _, err := unix.Poll(fds, -1); err == nil {
			break
		} else if err != unix.EINTR {
			return 0, err
		}
	}
	var status unix.WaitStatus
	_, err = unix.Wait4(pid, &status, 0, nil) // as unix.Siginfo, of Waitid, hides it
	return status, err
}

// The same in this library.
func wait(ctx context.Context, cmd *exec.Cmd) (*pidfd.ExitStatus, error) {
	p, err := pidfd.Start(cmd)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	status, err := p.WaitContext(ctx)
	if err != nil {
		_ = p.SendSignal(unix.SIGKILL) // ctx has ended
	}
	_ = cmd.Wait() // reaps
	return status, err
}

func Example_wait() {
	cmd := exec.Command("sh", "-c", "exit 3")
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	status, err := waitBare(cmd.Process.Pid)
	fmt.Println(status.ExitStatus(), err)
	_ = cmd.Process.Release() // waitBare has reaped it

	fmt.Println(wait(context.Background(), exec.Command("sh", "-c", "exit 3")))
	// Output:
	// 3 <nil>
	// exit status 3 <nil>
}

// Sealing what was written with x/sys/unix.
func sealBare(text []byte) (number int, err error) {
	number, err = unix.MemfdCreate("config", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, err
	}
	if _, err = unix.Write(number, text); err == nil { // may write less
		_, err = unix.FcntlInt(uintptr(number), unix.F_ADD_SEALS,
			unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		unix.Close(number)
		return -1, err
	}
	return number, nil
}

func Example_seal() {
	number, err := sealBare([]byte("blue"))
	if err != nil {
		log.Fatal(err)
	}
	defer unix.Close(number)
	_, err = unix.Pwrite(number, []byte("red"), 0)
	fmt.Println(err)

	m, err := memfd.NewSealed("config", []byte("blue"))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	_, err = m.WriteAt([]byte("red"), 0)
	fmt.Println(err)
	// Output:
	// operation not permitted
	// iofd: memfd: WriteAt: the file is sealed against it (write): pwrite64: operation not permitted
}

// watch keeps a handle in an epoll instance, until forget is called.
func watch(epoll int, f *fd.FD) (forget func(), err error) {
	pin, err := f.Pin()
	if err != nil {
		return nil, err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(pin.Number())}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, pin.Number(), &event); err != nil {
		pin.Unpin()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return func() {
		_ = unix.EpollCtl(epoll, unix.EPOLL_CTL_DEL, pin.Number(), nil)
		pin.Unpin()
	}, nil
}

func Example_epoll() {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		log.Fatal(err)
	}
	defer unix.Close(epoll)
	e, err := eventfd.New(1)
	if err != nil {
		log.Fatal(err)
	}
	forget, err := watch(epoll, e.FD())
	if err != nil {
		log.Fatal(err)
	}
	_ = e.Close() // the number stays open for the epoll instance
	events := make([]unix.EpollEvent, 8)
	n, err := unix.EpollWait(epoll, events, 0)
	fmt.Println(n, err)
	forget()
	n, err = unix.EpollWait(epoll, events, 0)
	fmt.Println(n, err)
	// Output:
	// 1 <nil>
	// 0 <nil>
}

// lock takes the lock of the file, which other processes may hold, see flock(2).
func lock(m *memfd.MemFD) error {
	return m.FD().Control(func(number int) error {
		for {
			err := unix.Flock(number, unix.LOCK_EX)
			if err != unix.EINTR {
				return os.NewSyscallError("flock", err)
			}
		}
	})
}

func Example_call() {
	m, err := memfd.New("table")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(lock(m), lock(m)) // again, by the same description
	_ = m.Close()
	fmt.Println(lock(m) == fd.ErrClosed)
	// Output:
	// <nil> <nil>
	// true
}

// what says what an error means to a loop.
func what(err error) string {
	switch {
	case err == nil:
		return "done"
	case err == fd.ErrWouldBlock: // was unix.EAGAIN
		return "later"
	case errors.Is(err, fd.ErrClosed): // was unix.EBADF, or another file
		return "over"
	case errors.Is(err, os.ErrProcessDone): // was unix.ESRCH
		return "has ended"
	case errors.Is(err, errors.ErrUnsupported): // was unix.ENOSYS, EINVAL, ENOTTY, …
		return "not on this kernel"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "too many descriptors"
	}
	return err.Error() // "timerfd_settime: operation not permitted"
}

func Example_errors() {
	e, err := eventfd.New(0)
	fmt.Println(what(err))
	_, err = e.Wait()
	fmt.Println(what(err), errors.Is(err, unix.EAGAIN))
	_ = e.Close()
	_, err = e.Wait()
	fmt.Println(what(err), errors.Is(err, os.ErrClosed))
	fmt.Println(what(e.Close()))
	// Output:
	// done
	// later true
	// over true
	// done
}

type loop struct{ wake *eventfd.EventFD }

func newLoop() (*loop, error) {
	wake, err := eventfd.New(0)
	if err != nil {
		return nil, err
	}
	l := &loop{wake}
	// The argument of a cleanup is not collected before the cleanup runs. So it is of l.
	runtime.AddCleanup(l, func(wake *eventfd.EventFD) { _ = wake.Close() }, wake)
	return l, nil
}

// A loop that is dropped.
func Example_dropped() {
	l, err := newLoop()
	if err != nil {
		log.Fatal(err)
	}
	wake := l.wake
	fmt.Println(wake.Valid())
	runtime.KeepAlive(l)
	for wake.Valid() { // a cleanup runs some time after the collection
		runtime.GC()
	}
	fmt.Println(wake.Valid())
	// Output:
	// true
	// false
}

// adopt makes a PidFD of a number. If that fails, it closes the number.
func adopt(number int) (*pidfd.PidFD, error) {
	f := fd.New(number)
	defer f.Close() // of nothing, once the PidFD has the number
	return pidfd.FromFD(f)
}

// bare returns what x/sys/unix would have.
func bare(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno // "no such process"
	}
	return err // "os: process already finished: pidfd_send_signal: no such process"
}

// A child whose pidfd package os gave.
func Example_adopt() {
	var number int
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &number}
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	p, err := adopt(number)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(cmd.Wait())
	err = p.SendSignal(0)
	fmt.Println(err)
	fmt.Println(bare(err))
	fmt.Println(bare(fd.ErrClosed) == fd.ErrClosed)

	other, err := eventfd.New(0)
	if err != nil {
		log.Fatal(err)
	}
	number, err = other.FD().Release()
	if err != nil {
		log.Fatal(err)
	}
	_, err = adopt(number)
	fmt.Println(errors.Is(err, unix.EINVAL))
	_, err = unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
	fmt.Println(err)
	// Output:
	// <nil>
	// os: process already finished: pidfd_send_signal: no such process
	// no such process
	// true
	// true
	// bad file descriptor
}
