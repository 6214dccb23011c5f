package main

import (
	"context"
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// fcntlTrial tries an operation on the reading end of a pipe.
func fcntlTrial(name, op string, do func(r *fd.FD) error) trial {
	return trial{by: "fd", call: "fcntl " + name, op: op, run: func(a *attempt) {
		r, w := usedPipe(a, unix.O_NONBLOCK)
		a.refuseThen(every, func() error { return do(r) },
			func() error { return errors.Join(second(w.Write([]byte("more"))), reads(r.Read, "more")()) })
	}}
}

// waits is a wait that ends only with its context.
func waits(r *fd.FD) func() error {
	return func() error {
		return inVain(func(ctx context.Context) error { return second(r.ReadContext(ctx, make([]byte, 1))) })
	}
}

// firstWait tries the first wait on a pipe, in blocking mode or not.
func firstWait(flags int) func(*attempt) {
	return func(a *attempt) {
		r, _ := usedPipe(a, flags)
		wait := waits(r)
		a.refuseThen(every, func() error {
			err := wait()
			if errors.Is(err, os.ErrNoDeadline) {
				return outcome("error, of the poller")
			}
			return err
		}, wait)
	}
}

var fdTrials = slices.Concat(
	[]trial{
		fcntlTrial("F_GETFL", "FD.Nonblock", func(r *fd.FD) error { return gives(true)(r.Nonblock()) }),
		fcntlTrial("F_GETFD", "FD.Cloexec", func(r *fd.FD) error { return gives(true)(r.Cloexec()) }),
		fcntlTrial("F_SETFD", "FD.SetCloexec(true)", func(r *fd.FD) error { return r.SetCloexec(true) }),
		fcntlTrial("F_SETFD", "FD.SetCloexec(false)", func(r *fd.FD) error { return r.SetCloexec(false) }),
		fcntlTrial("F_DUPFD_CLOEXEC", "FD.Dup", func(r *fd.FD) error { return closing(r.Dup()) }),
		fcntlTrial("F_DUPFD_CLOEXEC", "FD.File", func(r *fd.FD) error { return closing(r.File("")) }),
		{by: "fd", call: "fcntl F_DUPFD_CLOEXEC", op: "fd.FromFile", run: func(a *attempt) {
			file, err := os.Open("/")
			closes(a, file, err)
			a.repeat(every, func() error { return closing(fd.FromFile(file)) })
		}},
		{by: "fd", call: "fcntl F_DUPFD_QUERY", op: "FD.SameFile", run: sameFile},
		// The library calls kcmp(2) only if F_DUPFD_QUERY fails: the trial refuses both.
		{by: "fd", call: "kcmp", op: "FD.SameFile, before Linux 6.10", run: func(a *attempt) {
			a.must(filterAll(systest.Refusal{Call: systest.Fcntl, Errno: unix.EINVAL, Arg: 2, Value: unix.F_DUPFD_QUERY}))
			sameFile(a)
		}},
	},
	each("fd", "FD.ReadContext, the first", firstWait(unix.O_NONBLOCK),
		"fcntl F_GETFL", "fcntl F_DUPFD_CLOEXEC", "epoll_ctl EPOLL_CTL_ADD"),
	each("fd", "FD.ReadContext, in blocking mode", firstWait(0),
		"epoll_create1", "epoll_ctl EPOLL_CTL_ADD", "fcntl F_SETFL", "fcntl F_GETFL"),
	each("fd", "FD.Adopt", adopt, "fcntl F_GETFD", "fcntl F_SETFD", "fcntl F_GETFL"),
	// The call after O_NONBLOCK was set, which the failing operation has to clear.
	each("fd", "eventfd.FromFD", fromEventfd, "fcntl F_SETFD"),
)

func sameFile(a *attempt) {
	r, w := pipe(a, unix.O_NONBLOCK)
	d, err := r.Dup()
	closes(a, d, err)
	compared := func() error { return errors.Join(gives(true)(r.SameFile(d)), gives(false)(r.SameFile(w))) }
	a.refuseThen(every, func() error {
		err := compared()
		// A container's filter refuses kcmp(2), too.
		if a.errno == unix.EINVAL && namesCall(err, "kcmp", unix.EPERM) && systest.TryCall(unix.SYS_KCMP) != nil {
			return outcome("error, of kcmp")
		}
		return err
	}, compared)
}

// adopt tries Adopt of a descriptor that is not close-on-exec. Afterwards dst owns the
// descriptor, or src after an error, and reads from it.
func adopt(a *attempt) {
	r, w := pipe(a, unix.O_NONBLOCK)
	raw, err := unix.FcntlInt(uintptr(r.Fd()), unix.F_DUPFD, 0)
	a.must(err)
	src, dst := closes(a, fd.New(raw), nil), closes(a, new(fd.FD), nil)
	owner, other := dst, src
	if a.refuse(every, func() error { return dst.Adopt(src, func(int) error { return nil }) }) != nil {
		owner, other = src, dst
	}
	put(a, w, "text")
	a.must(gives(raw)(owner.Fd(), nil), gives(-1)(other.Fd(), nil), reads(owner.Read, "text")())
}
