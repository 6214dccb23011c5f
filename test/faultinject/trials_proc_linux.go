package main

import (
	"errors"
	"os"
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
var procTrials = []trial{
	procTrial("openat", "FD.Fdinfo", fdinfo),
	procTrial("fstatfs", "FD.Fdinfo", fdinfo),
	procTrial("fstat", "FD.Fdinfo", fdinfo),
	procTrial("openat2", "FD.Fdinfo", fdinfo),
	procTrial("read", "FD.Fdinfo", fdinfo),
	procTrial("fcntl F_GETFD", "FD.Fdinfo", fdinfo),

	procTrial("openat", "eventfd.FromFD", fromEventfd),
	procTrial("fstatfs", "eventfd.FromFD", fromEventfd),
	procTrial("fstat", "eventfd.FromFD", fromEventfd),
	procTrial("openat2", "eventfd.FromFD", fromEventfd),
	procTrial("readlinkat", "eventfd.FromFD", fromEventfd),
	procTrial("fcntl F_GETFD", "eventfd.FromFD", fromEventfd),
	procTrial("fcntl F_GETFL", "eventfd.FromFD", fromEventfd),
	procTrial("fcntl F_SETFL", "eventfd.FromFD", fromEventfd),
	procTrial("openat2", "signalfd.FromFD", fromSignalfd),
	procTrial("openat2", "timerfd.FromFD", fromTimerfd),
	procTrial("openat2", "memfd.FromFD", fromMemfd),
	ofKind("a timerfd", procTrial("timerfd_gettime", "timerfd.FromFD", fromTimerfd)),
	procTrial("waitid", "pidfd.FromFD", fromPidfd),

	procTrial("openat", "MemFD.ReopenReadOnly", reopen),
	procTrial("openat2", "MemFD.ReopenReadOnly", reopen),
	procTrial("fstat", "MemFD.ReopenReadOnly", reopen),

	procTrial("fstatfs", "signalfd.New", capture),
	procTrial("fstat", "signalfd.New", capture),
	procTrial("openat2", "signalfd.New", capture),
	procTrial("getdents64", "signalfd.New", capture),
}

// procTrial refuses a call of package sys, which it calls by the name of package
// unix.
func procTrial(call, op string, prepare func(*setup) func() error) trial {
	t := trial{by: "internal/sys", call: call, op: op, prepare: prepare}
	if call == "openat" {
		t.name = "open"
	}
	return t
}

// ofKind is for a call that answers EINVAL for a descriptor of another kind.
func ofKind(kind string, t trial) trial {
	t.also = map[string]func(error, unix.Errno) bool{"error, not " + kind: func(err error, errno unix.Errno) bool {
		return errno == unix.EINVAL && strings.Contains(err.Error(), " is not "+kind)
	}}
	return t
}

func fdinfo(s *setup) func() error {
	r, _ := pipe(s, unix.O_NONBLOCK)
	return func() error { return gives("0")(r.Fdinfo("pos")) }
}

func fromEventfd(s *setup) func() error {
	raw, err := unix.Eventfd(3, 0)
	s.must(err)
	return fromFD(s, raw, eventfd.FromFD)
}

func fromSignalfd(s *setup) func() error {
	raw, err := unix.Signalfd(-1, new(unix.Sigset_t), unix.SFD_CLOEXEC)
	s.must(err)
	return fromFD(s, raw, signalfd.FromFD)
}

func fromTimerfd(s *setup) func() error {
	raw, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0)
	s.must(err)
	return fromFD(s, raw, timerfd.FromFD)
}

func fromMemfd(s *setup) func() error {
	raw, err := unix.MemfdCreate("faults", unix.MFD_CLOEXEC)
	s.must(err)
	return fromFD(s, raw, memfd.FromFD)
}

func fromPidfd(s *setup) func() error {
	raw, err := unix.PidfdOpen(os.Getpid(), 0)
	s.must(err)
	return fromFD(s, raw, func(f *fd.FD) (*pidfd.PidFD, error) {
		p, err := pidfd.FromFD(f)
		if err == nil && p.PID() != os.Getpid() {
			err = errors.Join(gives(os.Getpid())(p.PID(), nil), p.Close())
		}
		return p, err
	})
}

func reopen(s *setup) func() error {
	m := file(s)
	return func() error { return closing(m.ReopenReadOnly()) }
}
