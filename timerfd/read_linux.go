package timerfd

import (
	"context"
	"errors"
	"iter"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// ErrClockChanged reports that the wall clock was set, or that the machine resumed from
// suspend, after the timer was armed with [CancelOnSet]. It matches unix.ECANCELED.
var ErrClockChanged error = clockChanged{}

type clockChanged struct{}

func (clockChanged) Error() string { return "iofd: timerfd: the clock was set" }
func (clockChanged) Unwrap() error { return unix.ECANCELED }

// Read takes the number of expirations since the timer was armed or last read, see
// read(2) in timerfd_create(2). The number is at least 1, and includes expirations
// that no call read in time. If there are none, Read returns [fd.ErrWouldBlock] and
// does not block. In blocking mode it waits for one instead: see Modes in the package
// documentation.
//
// Read also returns ErrWouldBlock if the wall clock was set back after a periodic
// timer expired and before this Read. In that case read(2) returns 0 bytes, and
// the expiration is not counted.
//
// Read returns [fd.ErrClosed] if t is closed, and [ErrClockChanged] if the timer
// was armed with [CancelOnSet] and the clock was set or the machine resumed from suspend.
func (t *TimerFD) Read() (expirations uint64, err error) {
	expirations, err = t.fd.Internal().ReadUint64()
	return expirations, changed(err)
}

// changed returns ErrClockChanged for ECANCELED, and err for all other errors.
func changed(err error) error {
	if errors.Is(err, unix.ECANCELED) {
		return ErrClockChanged
	}
	return err
}

// ReadContext is like [TimerFD.Read], but parks the goroutine while there are no
// expirations. It tries first: if the timer has expired, it returns the number even
// if ctx has ended. With context.Background, ReadContext allocates nothing after
// the first wait.
//
// Any number of goroutines may wait, and one of them reads each expiration. The
// timer may be armed again in the meantime.
//
// ReadContext returns the error of ctx if ctx ends, and [fd.ErrClosed] if t is
// closed. It returns EINVAL if ctx is nil, and [ErrClockChanged] like Read.
func (t *TimerFD) ReadContext(ctx context.Context) (expirations uint64, err error) {
	expirations, err = t.fd.ReadUint64Context(ctx)
	return expirations, changed(err)
}

// All returns an iterator that takes the number of expirations whenever the timer
// has expired, like [TimerFD.ReadContext]. It ends when ctx ends or t is closed. The
// last step yields 0 and the error: that of ctx, or [fd.ErrClosed].
//
// If the timer was armed with [CancelOnSet] and the clock was set, a step yields 0
// and [ErrClockChanged], and the loop goes on. The body arms the timer again.
//
// If ctx has ended, All takes no expirations. A step allocates nothing. Any number
// of goroutines may range at the same time, and one of them gets each expiration.
// All neither arms nor stops the timer. If the timer is not armed, All waits.
//
// All yields EINVAL if ctx is nil.
func (t *TimerFD) All(ctx context.Context) iter.Seq2[uint64, error] {
	return sys.All(ctx, t.Valid, t.ReadContext, ErrClockChanged)
}
