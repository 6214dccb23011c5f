package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// fcntlTrial tries an operation on the reading end of a pipe.
func fcntlTrial(name, op string, do func(r *fd.FD) error) trial {
	return trial{
		by: "fd", call: "fcntl " + name, op: op,
		prepare: func(s *setup) func() error {
			r, w := pipe(s, unix.O_NONBLOCK)
			put(s, w, "text")
			s.must(reads(r.Read, "text")())
			s.check(usable(r, w))
			return func() error { return do(r) }
		},
	}
}

// waits is a wait that ends only with its context.
func waits(s *setup, r *fd.FD) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience/1000)
		defer cancel()
		_, err := r.ReadContext(ctx, make([]byte, 1))
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		return err
	}
}

// waitTrial tries the first wait on a pipe, in blocking mode or not.
func waitTrial(flags int, call, op string) trial {
	return trial{
		by: "fd", call: call, op: op,
		prepare: func(s *setup) func() error {
			r, w := pipe(s, flags)
			put(s, w, "text")
			s.must(reads(r.Read, "text")())
			return waits(s, r)
		},
		also: map[string]func(error, unix.Errno) bool{"error, of the poller": func(err error, _ unix.Errno) bool {
			return errors.Is(err, os.ErrNoDeadline)
		}},
	}
}

const inBlocking = "FD.ReadContext, in blocking mode"

var fdTrials = []trial{
	fcntlTrial("F_GETFL", "FD.Nonblock", func(r *fd.FD) error { return gives(true)(r.Nonblock()) }),
	fcntlTrial("F_GETFD", "FD.Cloexec", func(r *fd.FD) error { return gives(true)(r.Cloexec()) }),
	fcntlTrial("F_SETFD", "FD.SetCloexec(true)", func(r *fd.FD) error { return r.SetCloexec(true) }),
	fcntlTrial("F_SETFD", "FD.SetCloexec(false)", func(r *fd.FD) error { return r.SetCloexec(false) }),
	fcntlTrial("F_DUPFD_CLOEXEC", "FD.Dup", func(r *fd.FD) error { return closing(r.Dup()) }),
	fcntlTrial("F_DUPFD_CLOEXEC", "FD.File", func(r *fd.FD) error { return closing(r.File("")) }),
	{
		by: "fd", call: "fcntl F_DUPFD_CLOEXEC", op: "fd.FromFile",
		prepare: func(s *setup) func() error {
			file, err := os.Open("/")
			closes(s, file, err)
			return func() error { return closing(fd.FromFile(file)) }
		},
	},
	{
		by: "fd", call: "fcntl F_DUPFD_QUERY", op: "FD.SameFile",
		prepare: sameFile,
		also: map[string]func(error, unix.Errno) bool{"error, of kcmp": func(err error, errno unix.Errno) bool {
			// A container's filter refuses kcmp(2), too.
			return errno == unix.EINVAL && namesCall(err, "kcmp", unix.EPERM) && systest.TryCall(unix.SYS_KCMP) != nil
		}},
	},
	{
		// The library calls kcmp(2) only if F_DUPFD_QUERY fails: the trial refuses both.
		by: "fd", call: "kcmp", op: "FD.SameFile, before Linux 6.10",
		prepare: func(s *setup) func() error {
			s.must(second(filterAll(0, systest.Refusal{Call: systest.Fcntl, Errno: unix.EINVAL, Arg: 2, Value: unix.F_DUPFD_QUERY})))
			return sameFile(s)
		},
	},
	waitTrial(unix.O_NONBLOCK, "fcntl F_GETFL", "FD.ReadContext, the first"),
	waitTrial(unix.O_NONBLOCK, "fcntl F_DUPFD_CLOEXEC", "FD.ReadContext, the first"),
	waitTrial(0, "epoll_create1", inBlocking),
	waitTrial(0, "epoll_ctl EPOLL_CTL_ADD", inBlocking),
	waitTrial(0, "fcntl F_SETFL", inBlocking),
	waitTrial(0, "fcntl F_GETFL", inBlocking),
	waitTrial(unix.O_NONBLOCK, "epoll_ctl EPOLL_CTL_ADD", "FD.ReadContext, the first"),
	adoptTrial("fcntl F_GETFD"),
	adoptTrial("fcntl F_SETFD"),
	adoptTrial("fcntl F_GETFL"),
}

func sameFile(s *setup) func() error {
	r, w := pipe(s, unix.O_NONBLOCK)
	d, err := r.Dup()
	closes(s, d, err)
	return func() error { return errors.Join(gives(true)(r.SameFile(d)), gives(false)(r.SameFile(w))) }
}

// adoptTrial tries Adopt of a descriptor that is not close-on-exec. Afterwards dst owns
// the descriptor, or src after an error, and reads from it.
func adoptTrial(call string) trial {
	return trial{
		by: "fd", call: call, op: "FD.Adopt",
		prepare: func(s *setup) func() error {
			r, w := pipe(s, unix.O_NONBLOCK)
			raw, err := unix.FcntlInt(uintptr(r.Fd()), unix.F_DUPFD, 0)
			s.must(err)
			src, dst := fd.New(raw), new(fd.FD)
			s.later(func() { _, _ = src.Close(), dst.Close() })
			s.check(func(err error) error {
				owner, other := dst, src
				if err != nil {
					owner, other = src, dst
				}
				put(s, w, "text")
				return errors.Join(gives(raw)(owner.Fd(), nil), gives(-1)(other.Fd(), nil), reads(owner.Read, "text")())
			})
			return func() error { return dst.Adopt(src, func(int) error { return nil }) }
		},
	}
}
