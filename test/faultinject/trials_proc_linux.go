package main

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// procTrials try the calls that read a verified /proc, and those that find out the kind
// of a descriptor.
var procTrials = slices.Concat(
	each("internal/sys", "FD.Fdinfo", on(timer, func(t *timerfd.TimerFD) error { return gives("0")(t.FD().Fdinfo("pos")) }),
		"openat", "fstatfs", "fstat", "openat2", "read", "fcntl F_GETFD"),
	each("internal/sys", "eventfd.FromFD", fromEventfd,
		"openat", "fstatfs", "fstat", "openat2", "readlinkat", "fcntl F_GETFD", "fcntl F_GETFL", "fcntl F_SETFL"),
	each("internal/sys", "signalfd.FromFD", fromSignalfd, "openat2"),
	each("internal/sys", "timerfd.FromFD", fromTimerfd, "openat2"),
	each("internal/sys", "memfd.FromFD", fromMemfd, "openat2"),
	each("internal/sys", "timerfd.FromFD", fromTimerfd, tellsTimerfd),
	each("internal/sys", "pidfd.FromFD", fromPidfd, "waitid"),
	each("internal/sys", "MemFD.ReopenReadOnly", on(file, func(m *memfd.MemFD) error { return closing(m.ReopenReadOnly()) }),
		"openat", "openat2", "fstat"),
	each("internal/sys", "signalfd.New", capture, "fstatfs", "fstat", "openat2", "getdents64"),
)

// The calls that return EINVAL for a descriptor of another kind.
const (
	tellsTimerfd = "timerfd_gettime"
	tellsMemfd   = "fcntl F_GET_SEALS"
)

var (
	fromEventfd  = fromFD(eventfd.FromFD, func() (int, error) { return unix.Eventfd(3, 0) })
	fromSignalfd = fromFD(signalfd.FromFD, func() (int, error) { return unix.Signalfd(-1, new(unix.Sigset_t), unix.SFD_CLOEXEC) })
	fromTimerfd  = fromFD(timerfd.FromFD, func() (int, error) { return unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0) })
	fromMemfd    = fromFD(memfd.FromFD, func() (int, error) { return unix.MemfdCreate("faults", unix.MFD_CLOEXEC) })
	fromPidfd    = fromFD(pidfd.FromFD, func() (int, error) { return unix.PidfdOpen(os.Getpid(), 0) })
)

// An owner is a handle.
type owner interface {
	Close() error
	Fd() int
}

// fromFD tries to make a handle of a number. Afterwards the number is the handle's, or the
// FD's with the flags that it had.
func fromFD[H owner](from func(*fd.FD) (H, error), open func() (int, error)) func(*attempt) {
	return func(a *attempt) {
		raw, err := open()
		a.must(err)
		f := closes(a, fd.New(raw), nil)
		had := flags(a, raw)
		var made H
		if a.refuse(every, func() (err error) {
			made, err = from(f)
			if err != nil && a.errno == unix.EINVAL && (a.call == tellsTimerfd || a.call == tellsMemfd) {
				if _, kind, ok := strings.Cut(err.Error(), " is not a "); ok {
					kind, _, _ = strings.Cut(kind, " ")
					return outcome("error, not a " + kind)
				}
			}
			return err
		}) != nil {
			a.must(gives(raw)(f.Fd(), nil), gives(had)(flags(a, raw), nil))
			return
		}
		closes(a, made, nil)
		a.must(gives(raw)(made.Fd(), nil), gives(-1)(f.Fd(), nil))
		if p, ok := any(made).(*pidfd.PidFD); ok {
			a.must(gives(os.Getpid())(p.PID(), nil))
		}
	}
}

// flags returns the close-on-exec flag and the file status flags.
func flags(a *attempt, number int) (all [2]int) {
	for i, get := range []int{unix.F_GETFD, unix.F_GETFL} {
		var err error
		all[i], err = unix.FcntlInt(uintptr(number), get, 0)
		a.must(err)
	}
	return all
}
