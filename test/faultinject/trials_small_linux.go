package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

var eventfdTrials = []trial{
	{by: "eventfd", call: "eventfd2", op: "eventfd.New", prepare: always(func() error { return closing(eventfd.New(0)) })},
	{
		// Values over 32 bits are added by write(2).
		by: "internal/sys", call: "write", op: "eventfd.New(1<<40)",
		prepare: always(func() error {
			e, err := eventfd.New(1 << 40)
			if err != nil {
				return err
			}
			defer e.Close()
			return gives[uint64](1 << 40)(e.Wait())
		}),
	},
}

var timerfdTrials = []trial{
	{by: "timerfd", call: "timerfd_create", op: "timerfd.New", prepare: always(func() error { return closing(timerfd.New(timerfd.Monotonic)) })},
	{
		by: "internal/sys", call: "timerfd_settime", op: "TimerFD.Arm",
		prepare: func(s *setup) func() error {
			t := timer(s)
			s.must(t.Arm(time.Hour, time.Minute))
			s.check(func(err error) error {
				want := time.Minute // as it was
				if err == nil {
					want = time.Second
				}
				_, interval, failed := t.Remaining()
				return gives(want)(interval, failed)
			})
			return func() error { return t.Arm(time.Hour, time.Second) }
		},
	},
	{
		by: "internal/sys", call: "timerfd_gettime", op: "TimerFD.Remaining",
		prepare: func(s *setup) func() error {
			t := timer(s)
			return func() error {
				_, interval, err := t.Remaining()
				return gives[time.Duration](0)(interval, err)
			}
		},
	},
	{
		by: "internal/sys", call: "read", op: "TimerFD.ReadContext",
		prepare: func(s *setup) func() error {
			t := timer(s)
			s.must(t.Arm(0, 0))
			s.on(t.Fd())
			ctx := soon(s)
			s.after(func() error { return gives[uint64](1)(t.Read()) })
			return func() error { return gives[uint64](1)(t.ReadContext(ctx)) }
		},
	},
	{
		by: "timerfd", call: "clock_gettime", op: "TimerFD.ArmAt",
		prepare: func(s *setup) func() error {
			t := timer(s)
			return func() error { return t.ArmAt(time.Now().Add(time.Hour), 0) }
		},
	},
}

func timer(s *setup) *timerfd.TimerFD {
	t, err := timerfd.New(timerfd.Monotonic)
	return closes(s, t, err)
}

// An owner is a handle.
type owner interface {
	Close() error
	Fd() int
}

// fromFD makes a handle of the number. It checks that the number is the handle's
// afterwards, or the FD's with the flags that it had.
func fromFD[H owner](s *setup, raw int, from func(*fd.FD) (H, error)) func() error {
	f := fd.New(raw)
	s.later(func() { _ = f.Close() })
	had := flags(s, raw)
	var made owner
	s.check(func(err error) error {
		if err != nil && flags(s, raw) != had {
			return fmt.Errorf("descriptor %d had the flags %#x, and has %#x", raw, had, flags(s, raw))
		}
		if (err == nil) != (f.Fd() == -1) || err == nil && made.Fd() != raw || err != nil && f.Fd() != raw {
			return fmt.Errorf("descriptor %d is neither the one's nor the other's: %v, %v", raw, f, err)
		}
		return nil
	})
	return func() error {
		h, err := from(f)
		if err == nil {
			made = h
			s.later(func() { _ = h.Close() })
		}
		return err
	}
}

// flags returns the close-on-exec flag and the file status flags.
func flags(s *setup, number int) (all [2]int) {
	for i, get := range []int{unix.F_GETFD, unix.F_GETFL} {
		var err error
		all[i], err = unix.FcntlInt(uintptr(number), get, 0)
		s.must(err)
	}
	return all
}
