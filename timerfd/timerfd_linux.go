package timerfd

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// TimerFD is a timer, see timerfd_create(2). [New] and [FromFD] return one. The zero
// TimerFD is closed. A TimerFD must not be copied.
type TimerFD struct {
	fd      fd.FD
	clock   Clock
	waiting atomic.Bool // in WaitUntil
}

var _ fd.Timer = (*TimerFD)(nil)

// New creates a timer that is not armed, see timerfd_create(2). The descriptor is
// close-on-exec and non-blocking.
//
// New returns EINVAL if the package or the kernel does not know clock. It returns an
// error that matches fs.ErrPermission if clock is an alarm clock and the caller lacks
// CAP_WAKE_ALARM in the initial user namespace. It returns EMFILE or ENFILE if there
// are too many descriptors, and ENOMEM if the kernel has no memory. Requires Linux
// 2.6.27.
func New(clock Clock) (*TimerFD, error) {
	if !clock.valid() {
		return nil, sys.Invalid("timerfd: New: invalid clock %v", clock)
	}
	number, err := unix.TimerfdCreate(int(clock), unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, sys.Error("timerfd_create", err)
	}
	t := &TimerFD{clock: clock}
	t.fd.Internal().Init(number, sys.FastClose)
	return t, nil
}

// FromFD makes a TimerFD of a descriptor that was inherited or received. The timer
// stays armed. On success the TimerFD owns the descriptor and f is closed. On
// failure f keeps the descriptor as it was.
//
// FromFD sets close-on-exec and non-blocking mode. Every process that shares the
// open file description sees the change of mode. The methods of the TimerFD take
// the slow path: see Modes in the package documentation.
//
// FromFD returns EINVAL if f is nil or not a timerfd, and EBUSY if a call or a pin
// uses f. It returns EBADF if the number is not open, and [fd.ErrClosed] if f is
// closed. It requires a mounted /proc and a free descriptor number to find the
// clock, see clockid in proc_pid_fdinfo(5). Without /proc the error matches
// errors.ErrUnsupported. Requires Linux 5.6, because FromFD opens files of /proc by
// openat2(2).
func FromFD(f *fd.FD) (*TimerFD, error) {
	t := new(TimerFD)
	err := t.fd.Adopt(f, func(number int) error {
		is, err := sys.IsTimerfd(number)
		switch {
		case err != nil:
			return err
		case !is:
			return sys.NotKind("timerfd", number, "a timerfd")
		}
		clock, err := sys.Fdinfo(number, "clockid")
		if err != nil {
			return err
		}
		if _, err := fmt.Sscan(clock, &t.clock); err != nil {
			return err
		}
		return sys.SetNonblock(number)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}
