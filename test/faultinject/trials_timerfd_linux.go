package main

import (
	"time"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/timerfd"
)

var eventfdTrials = []trial{
	{by: "eventfd", call: "eventfd2", op: "eventfd.New", run: repeats(func() error { return closing(eventfd.New(0)) })},
	// Values over 32 bits are added by write(2).
	{by: "internal/sys", call: "write", op: "eventfd.New(1<<40)", run: repeats(func() error {
		e, err := eventfd.New(1 << 40)
		if err != nil {
			return err
		}
		defer e.Close()
		return gives[uint64](1 << 40)(e.Wait())
	})},
}

var timerfdTrials = []trial{
	{by: "timerfd", call: "timerfd_create", op: "timerfd.New", run: repeats(func() error { return closing(timerfd.New(timerfd.Monotonic)) })},
	{by: "internal/sys", call: "timerfd_settime", op: "TimerFD.Arm", run: func(a *attempt) {
		t := timer(a)
		a.must(t.Arm(time.Hour, time.Minute))
		want := time.Minute // as it was
		if a.refuse(every, func() error { return t.Arm(time.Hour, time.Second) }) == nil {
			want = time.Second
		}
		_, interval, err := t.Remaining()
		a.must(gives(want)(interval, err))
	}},
	{by: "internal/sys", call: "timerfd_gettime", op: "TimerFD.Remaining", run: on(timer, func(t *timerfd.TimerFD) error {
		_, interval, err := t.Remaining()
		return gives[time.Duration](0)(interval, err)
	})},
	{by: "internal/sys", call: "read", op: "TimerFD.ReadContext", run: func(a *attempt) {
		t := timer(a)
		a.must(t.Arm(0, 0))
		ctx := soon(a)
		a.refuseThen(t.Fd(), func() error { return gives[uint64](1)(t.ReadContext(ctx)) },
			func() error { return gives[uint64](1)(t.Read()) })
	}},
	{by: "timerfd", call: "clock_gettime", op: "TimerFD.ArmAt", run: on(timer, func(t *timerfd.TimerFD) error { return t.ArmAt(time.Now().Add(time.Hour), 0) })},
}

func timer(a *attempt) *timerfd.TimerFD {
	t, err := timerfd.New(timerfd.Monotonic)
	return closes(a, t, err)
}
