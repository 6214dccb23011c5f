package main

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// procTrials try the calls that read a verified /proc, and those that find out the kind
// of a descriptor.
var procTrials = []trial{
	procTrial("openat", "FD.Fdinfo", unix.SYS_OPENAT, fdinfo),
	procTrial("fstatfs", "FD.Fdinfo", unix.SYS_FSTATFS, fdinfo),
	procTrial("fstat", "FD.Fdinfo", unix.SYS_FSTAT, fdinfo),
	procTrial("openat2", "FD.Fdinfo", unix.SYS_OPENAT2, fdinfo),
	procTrial("read", "FD.Fdinfo", unix.SYS_READ, fdinfo),
	procTrial("fcntl F_GETFD", "FD.Fdinfo", systest.Fcntl, fdinfo),

	procTrial("openat", "eventfd.FromFD", unix.SYS_OPENAT, fromEventfd),
	procTrial("fstatfs", "eventfd.FromFD", unix.SYS_FSTATFS, fromEventfd),
	procTrial("fstat", "eventfd.FromFD", unix.SYS_FSTAT, fromEventfd),
	procTrial("openat2", "eventfd.FromFD", unix.SYS_OPENAT2, fromEventfd),
	procTrial("readlinkat", "eventfd.FromFD", unix.SYS_READLINKAT, fromEventfd),
	procTrial("fcntl F_GETFD", "eventfd.FromFD", systest.Fcntl, fromEventfd),
	procTrial("fcntl F_GETFL", "eventfd.FromFD", systest.Fcntl, fromEventfd),
	procTrial("fcntl F_SETFL", "eventfd.FromFD", systest.Fcntl, fromEventfd),
	procTrial("openat2", "signalfd.FromFD", unix.SYS_OPENAT2, fromSignalfd),
	procTrial("openat2", "timerfd.FromFD", unix.SYS_OPENAT2, fromTimerfd),
	procTrial("openat2", "memfd.FromFD", unix.SYS_OPENAT2, fromMemfd),
	ofKind("a timerfd", procTrial("timerfd_gettime", "timerfd.FromFD", unix.SYS_TIMERFD_GETTIME, fromTimerfd)),
	procTrial("waitid", "pidfd.FromFD", unix.SYS_WAITID, fromPidfd),

	procTrial("openat", "MemFD.ReopenReadOnly", unix.SYS_OPENAT, reopen),
	procTrial("openat2", "MemFD.ReopenReadOnly", unix.SYS_OPENAT2, reopen),
	procTrial("fstat", "MemFD.ReopenReadOnly", unix.SYS_FSTAT, reopen),

	procTrial("fstatfs", "signalfd.New", unix.SYS_FSTATFS, capture),
	procTrial("fstat", "signalfd.New", unix.SYS_FSTAT, capture),
	procTrial("openat2", "signalfd.New", unix.SYS_OPENAT2, capture),
	procTrial("getdents64", "signalfd.New", unix.SYS_GETDENTS64, capture),
}

// procTrial refuses a call of package sys, which it calls by the name of package
// unix.
func procTrial(call, op string, number uintptr, prepare func(*scene) func() error) trial {
	t := trial{by: "internal/sys", call: call, op: op, number: number, prepare: prepare}
	if call == "openat" {
		t.name = "open"
	}
	for value, name := range commands[systest.Fcntl].names {
		if call == "fcntl "+name {
			t.match = command(value)
		}
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

func fdinfo(s *scene) func() error {
	r, _ := pipe(s, unix.O_NONBLOCK)
	return func() error { return gives("0")(r.Fdinfo("pos")) }
}

func fromEventfd(s *scene) func() error {
	raw, err := unix.Eventfd(3, 0)
	s.must(err)
	return fromFD(s, raw, eventfd.FromFD)
}

func fromSignalfd(s *scene) func() error {
	raw, err := unix.Signalfd(-1, new(unix.Sigset_t), unix.SFD_CLOEXEC)
	s.must(err)
	return fromFD(s, raw, signalfd.FromFD)
}

func fromTimerfd(s *scene) func() error {
	raw, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0)
	s.must(err)
	return fromFD(s, raw, timerfd.FromFD)
}

func fromMemfd(s *scene) func() error {
	raw, err := unix.MemfdCreate("faults", unix.MFD_CLOEXEC)
	s.must(err)
	return fromFD(s, raw, memfd.FromFD)
}

func fromPidfd(s *scene) func() error {
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

func reopen(s *scene) func() error {
	m := file(s)
	return func() error { return closing(m.ReopenReadOnly()) }
}
