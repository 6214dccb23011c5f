//go:build linux

package timerfd_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"code.hybscloud.com/iofd/timerfd"
)

// A ticker with an interval of 5 milliseconds.
func Example() {
	t, err := timerfd.New(timerfd.Monotonic)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	if err := t.Arm(0, 5*time.Millisecond); err != nil {
		log.Fatal(err)
	}
	var ticks uint64
	for ticks < 3 {
		n, err := t.ReadContext(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		ticks += n // more than 1 if the loop was late
	}
	fmt.Println(ticks >= 3)
	// Output: true
}

// A delay of one hour that includes the time while the machine sleeps. A time.Timer
// stands still meanwhile.
func ExampleTimerFD_Arm() {
	t, err := timerfd.New(timerfd.Boottime)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	if err := t.Arm(time.Hour, 0); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = t.ReadContext(ctx)
	fmt.Println(err)
	remaining, _, err := t.Remaining()
	fmt.Println(remaining > 59*time.Minute, err)
	// Output:
	// context deadline exceeded
	// true <nil>
}

// The loop waits for the next full second of the wall clock. If the clock is set
// during the wait, the loop computes the deadline again.
func ExampleTimerFD_ArmAt() {
	t, err := timerfd.New(timerfd.Realtime)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	err = timerfd.ErrClockChanged
	for err == timerfd.ErrClockChanged {
		next := time.Now().Truncate(time.Second).Add(time.Second)
		err = t.ArmAt(next, 0, timerfd.CancelOnSet)
		if err == nil {
			_, err = t.ReadContext(context.Background())
		}
	}
	fmt.Println(err)
	// Output: <nil>
}

// The loop runs a job every day at noon by the wall clock. If the clock is set, it
// computes the next noon again.
func ExampleTimerFD_ArmAt_daily() {
	daily := func(ctx context.Context, t *timerfd.TimerFD, job func()) error {
		// From now on, ArmAt and ReadContext report that the clock was set. So it cannot
		// change unnoticed between time.Now and ArmAt.
		err := t.ArmAt(time.Now().AddDate(1, 0, 0), 0, timerfd.CancelOnSet)
		for err == nil || err == timerfd.ErrClockChanged {
			now := time.Now()
			noon := time.Date(now.Year(), now.Month(), now.Day(), 12, 0, 0, 0, time.Local)
			if !noon.After(now) {
				noon = noon.AddDate(0, 0, 1)
			}
			if err = t.ArmAt(noon, 0, timerfd.CancelOnSet); err != nil {
				continue
			}
			if _, err = t.ReadContext(ctx); err == nil {
				job()
			}
		}
		return err
	}
	t, err := timerfd.New(timerfd.Realtime)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(daily(ctx, t, func() { fmt.Println("noon") }))
	// Output: context deadline exceeded
}

// A ticker counts the ticks that the loop was too slow for.
func ExampleTimerFD_All() {
	t, err := timerfd.New(timerfd.Monotonic)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	if err := t.Arm(time.Millisecond, time.Millisecond); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	var ticks uint64
	for n, err := range t.All(ctx) {
		if err != nil {
			fmt.Println("end:", err)
			break
		}
		if ticks += n; ticks >= 5 {
			cancel()
		}
	}
	// Output: end: context canceled
}

// An idle timer is extended by each request. Swap tells how much time was left.
func ExampleTimerFD_Swap() {
	t, err := timerfd.New(timerfd.Monotonic)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	const idle = time.Hour
	if err := t.Arm(idle, 0); err != nil {
		log.Fatal(err)
	}
	left, _, err := t.Swap(idle, 0)
	if err != nil {
		log.Fatal(err)
	}
	if left == 0 {
		fmt.Println("the request came too late")
		return
	}
	fmt.Println("the request came within", (idle-left).Truncate(time.Minute)+time.Minute)
	// Output: the request came within 1m0s
}

// A job that runs at every full second of the wall clock, also after the clock was set
// or the machine has slept.
func ExampleTimerFD_WaitUntil() {
	t, err := timerfd.New(timerfd.Realtime)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	for range 2 {
		next := time.Now().Truncate(time.Second).Add(time.Second)
		if err := t.WaitUntil(context.Background(), next); err != nil {
			log.Fatal(err)
		}
		fmt.Println("early:", time.Now().Round(0).Before(next.Round(0)))
	}
	// Output:
	// early: false
	// early: false
}
