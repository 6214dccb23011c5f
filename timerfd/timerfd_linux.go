package timerfd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// ErrClockChanged says that the wall clock was set after a timer was armed with
// [CancelOnSet]. errors.Is(ErrClockChanged, unix.ECANCELED) holds.
var ErrClockChanged error = clockChanged{}

type clockChanged struct{}

func (clockChanged) Error() string { return "iofd: timerfd: the clock was set" }
func (clockChanged) Unwrap() error { return unix.ECANCELED }

// TimerFD is a timer, see timerfd_create(2). Make one with [New] or [FromFD]; the
// zero TimerFD is closed. It must not be copied.
type TimerFD struct {
	fd    fd.FD
	clock Clock
}

var _ fd.Timer = (*TimerFD)(nil)

// New creates a timer that is not armed, see timerfd_create(2). It is
// close-on-exec and non-blocking.
//
// An unknown clock is refused with EINVAL. An alarm clock without
// CAP_WAKE_ALARM gives an error for which errors.Is(err, fs.ErrPermission)
// holds. Other errors are the kernel's: EMFILE or ENFILE when there are too many
// descriptors, ENOMEM.
func New(clock Clock) (*TimerFD, error) {
	if !clock.valid() {
		return nil, sys.Invalid("timerfd: %v is no clock for a timer", clock)
	}
	number, err := sys.TimerfdCreate(int(clock), unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	t := &TimerFD{clock: clock}
	t.fd.Internal().Init(number, sys.FastClose)
	return t, nil
}

// FromFD makes a TimerFD of a descriptor that was inherited or received, armed as
// it is. On success the TimerFD owns it and f is closed; on failure f stays the
// caller's. A descriptor of another kind is refused with EINVAL; while f is in
// use it is EBUSY. /proc is needed to tell the kind, and a descriptor to spare to
// tell the clock, see clockid in proc_pid_fdinfo(5), since Linux 3.17.
//
// The descriptor is made close-on-exec, and put into non-blocking mode, which
// all who share its open file description see.
func FromFD(f *fd.FD) (*TimerFD, error) {
	t := new(TimerFD)
	if err := t.fd.Adopt(f, "timerfd", isTimerFD); err != nil {
		return nil, err
	}
	text, err := t.fd.Fdinfo("clockid")
	if err == nil {
		_, err = fmt.Sscan(text, &t.clock)
	}
	if err == nil {
		err = t.fd.SetNonblock(true)
	}
	if err != nil {
		_ = f.Take(&t.fd)
		return nil, err
	}
	return t, nil
}

func isTimerFD(object string) bool { return object == "anon_inode:[timerfd]" }

// Arm starts the timer: it expires after initial, then every interval, or once
// if interval is 0, see timerfd_settime(2). It replaces what was armed, and
// clears expirations not yet read.
//
// An initial of 0 expires at once, as time.NewTimer(0) does; the system call
// would disarm the timer. Negative durations are refused with EINVAL, and leave
// the timer as it was. Durations are kept to the nanosecond, up to the longest
// that there is. An inherited alarm timer takes CAP_WAKE_ALARM here too.
func (t *TimerFD) Arm(initial, interval time.Duration) error {
	if initial < 0 || interval < 0 {
		return t.refuse(initial, interval)
	}
	return t.settime(0, timespec(initial), interval)
}

// ArmAt starts the timer like [TimerFD.Arm], for a moment instead of a delay. A
// moment that has passed, the zero Time and the Unix epoch included, expires at
// once, and where there is an interval counts an expiration for each that has
// passed since, or since the clock began. One that is farther off than the kernel
// counts, near 292 years from the clock's beginning, waits for the end of that.
//
// The wall clocks began at the Unix epoch, and the timer follows them when they
// are set. The others began when the machine started, and deadline is converted
// when ArmAt is called: by its monotonic reading where it has one, as those from
// time.Now do, else by how far the wall clock is from it now.
//
// A negative interval is refused with EINVAL, and so are an unknown option and
// [CancelOnSet] on a clock that cannot be set; the timer stays as it was. With
// CancelOnSet, ArmAt itself returns [ErrClockChanged] where the clock was set
// since the timer was last armed so, and no Read has told. The timer is armed all
// the same.
func (t *TimerFD) ArmAt(deadline time.Time, interval time.Duration, opts ...AtOption) error {
	if !t.Valid() {
		return fd.ErrClosed
	}
	if interval < 0 {
		return t.refuse(0, interval)
	}
	flags := unix.TFD_TIMER_ABSTIME
	for _, o := range opts {
		switch {
		case o != CancelOnSet:
			return sys.Invalid("timerfd: %d is no option of ArmAt", int(o))
		case !t.clock.wall():
			return sys.Invalid("timerfd: CancelOnSet on %v, a clock that is never set", t.clock)
		}
		flags |= unix.TFD_TIMER_CANCEL_ON_SET
	}
	at, err := t.clock.at(deadline)
	if err != nil {
		return sys.Error("clock_gettime", err)
	}
	return changed(t.settime(flags, at, interval))
}

// AtOption is an option of [TimerFD.ArmAt].
type AtOption int

// CancelOnSet ends the wait when the wall clock is set, by a jump, not by being
// slewed: Read, and a ReadContext that waits, return [ErrClockChanged] once.
// Expirations that nobody has read are gone then. A timer that had not expired
// runs on; one that had, and was to go on by its interval, stands still. So work
// out the deadline anew, and arm the timer for that.
//
// Only for the wall clocks, [Realtime] and [RealtimeAlarm]; see
// TFD_TIMER_CANCEL_ON_SET in timerfd_create(2), since Linux 3.0.
const CancelOnSet AtOption = 1

// epoch is where the wall clocks begin.
var epoch = time.Unix(0, 0)

// at converts a moment to what the clock will show then, or to its beginning if
// that is later.
func (c Clock) at(moment time.Time) (sys.Timespec, error) {
	if c.wall() {
		// Not by the sign of Unix: a Time past the range of its type lies before all
		// others, as it does on the other clocks.
		if moment.Before(epoch) {
			return sys.Timespec{}, nil
		}
		return sys.Timespec{Sec: moment.Unix(), Nsec: int64(moment.Nanosecond())}, nil
	}
	now := time.Now()
	shown, err := c.now()
	if err != nil {
		return sys.Timespec{}, err
	}
	// Sub uses the monotonic readings where both have one, and saturates.
	ts := timespec(moment.Sub(now))
	ts.Sec += int64(shown.Sec)
	ts.Nsec += int64(shown.Nsec)
	if ts.Nsec >= 1e9 {
		ts.Sec, ts.Nsec = ts.Sec+1, ts.Nsec-1e9
	} else if ts.Nsec < 0 {
		ts.Sec, ts.Nsec = ts.Sec-1, ts.Nsec+1e9
	}
	if ts.Sec < 0 {
		return sys.Timespec{}, nil
	}
	return ts, nil
}

// timespec converts a duration; both parts have its sign.
func timespec(d time.Duration) sys.Timespec {
	return sys.Timespec{Sec: int64(d / time.Second), Nsec: int64(d % time.Second)}
}

func (t *TimerFD) refuse(initial, interval time.Duration) error {
	switch {
	case !t.Valid():
		return fd.ErrClosed
	case initial < 0:
		return sys.Invalid("timerfd: the delay of %v is negative", initial)
	}
	return sys.Invalid("timerfd: the interval of %v is negative", interval)
}

// settime arms the timer. A time of zero, which would disarm it, becomes the
// nanosecond after.
func (t *TimerFD) settime(flags int, first sys.Timespec, interval time.Duration) error {
	if first == (sys.Timespec{}) {
		first.Nsec = 1
	}
	spec := sys.Itimerspec{Interval: timespec(interval), Value: first}
	return t.fd.Internal().TimerfdSettime(flags, &spec)
}

// Disarm stops the timer and clears expirations not yet read, see
// timerfd_settime(2). A timer that is not armed stays so.
func (t *TimerFD) Disarm() error {
	return t.fd.Internal().TimerfdSettime(0, &sys.Itimerspec{})
}

// Read takes the number of times that the timer has expired since it was armed
// or last read, see read(2) in timerfd_create(2). It does not block: where that
// is 0 it returns [fd.ErrWouldBlock]. Expirations that nobody read in time are
// counted, never lost. After [CancelOnSet], [ErrClockChanged] says that the
// clock was set.
func (t *TimerFD) Read() (expirations uint64, err error) {
	expirations, err = t.fd.Internal().ReadUint64()
	return expirations, changed(err)
}

// changed takes the kernel's word for a clock that was set.
func changed(err error) error {
	if errors.Is(err, unix.ECANCELED) {
		return ErrClockChanged
	}
	return err
}

// ReadContext is [TimerFD.Read], but where that would block it parks the
// goroutine until the timer expires, ctx ends (its error) or t is closed
// ([fd.ErrClosed]). It tries first, so what has expired is read even when ctx has
// ended. A nil ctx is refused with EINVAL. Any number of goroutines may wait, and
// the timer may be armed anew meanwhile; each expiration is read by one of them.
// With context.Background it allocates nothing.
func (t *TimerFD) ReadContext(ctx context.Context) (expirations uint64, err error) {
	expirations, err = t.fd.ReadUint64Context(ctx)
	return expirations, changed(err)
}

// Remaining returns the time until the timer next expires and its interval, see
// timerfd_gettime(2). It takes no expirations. The time is 0 if the timer is not
// armed, has expired with no interval to go on by, or is due at this very
// moment; the interval is 0 if it has none. A date beyond what the kernel counts
// gives the time until the end of that.
func (t *TimerFD) Remaining() (remaining, interval time.Duration, err error) {
	var spec sys.Itimerspec
	if err := t.fd.Internal().TimerfdGettime(&spec); err != nil {
		return 0, 0, err
	}
	return duration(spec.Value), duration(spec.Interval), nil
}

func duration(ts sys.Timespec) time.Duration {
	if ts.Sec >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(ts.Sec)*time.Second + time.Duration(ts.Nsec)
}

// Clock returns the clock that the timer runs by.
func (t *TimerFD) Clock() Clock { return t.clock }

// Fd returns the descriptor number for poll(2), epoll(7) or io_uring(7), -1 once
// closed. It is only borrowed: see [fd.FD.Pin].
func (t *TimerFD) Fd() int { return t.fd.Fd() }

// Raw is [TimerFD.Fd] as the kernel's int.
func (t *TimerFD) Raw() int32 { return t.fd.Raw() }

// Valid reports whether t has not been closed.
func (t *TimerFD) Valid() bool { return t.fd.Valid() }

// String returns "timerfd 7", or "timerfd closed".
func (t *TimerFD) String() string { return "timer" + t.fd.String() }

// FD returns the core descriptor, which stays t's: for Pin, the flags and
// SyscallConn.
func (t *TimerFD) FD() *fd.FD { return &t.fd }

// Close closes the timer and wakes every waiter with [fd.ErrClosed]. The timer
// itself runs on while another process or a duplicate has it. A second Close
// does nothing and returns nil.
func (t *TimerFD) Close() error { return t.fd.Close() }

// Dup returns another TimerFD for the same timer, close-on-exec, see dup(2). Both
// must be closed. It fails with EMFILE when there are too many descriptors. Calls
// of both tell the scheduler from now on, as [fd.FD.Dup] explains.
func (t *TimerFD) Dup() (*TimerFD, error) {
	f, err := t.fd.Dup()
	if err != nil {
		return nil, err
	}
	d := &TimerFD{clock: t.clock}
	_ = d.fd.Take(f) // nobody else has d or f
	return d, nil
}

// File returns an os.File with a duplicate of the descriptor, for
// exec.Cmd.ExtraFiles. Both must be closed. See [fd.FD.File].
func (t *TimerFD) File(name string) (*os.File, error) { return t.fd.File(name) }
