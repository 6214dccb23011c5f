package main

import (
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/timerfd"
)

func timerfdRows() []row {
	return []row{{name: "timerfd Arm", open: armWays, bothCounts: true}}
}

func armWays(o *opened) ([]way, error) {
	t, err := timerfd.New(timerfd.Monotonic)
	if err != nil {
		return nil, err
	}
	o.atEnd(t.Close)
	timer := time.NewTimer(time.Hour)
	o.atEnd(func() error { timer.Stop(); return nil })
	return []way{
		timed("bare calls", times(func() error { return bareArm(t.Fd(), time.Hour) })),
		timed("iofd", times(func() error { return t.Arm(time.Hour, 0) })),
		timed("x/sys/unix", times(func() error {
			spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(time.Hour))}
			return unix.TimerfdSettime(t.Fd(), 0, &spec, nil)
		})),
		timed("time.Timer Reset", times(func() error { timer.Reset(time.Hour); return nil })),
	}, nil
}
