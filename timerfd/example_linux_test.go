package timerfd_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"code.hybscloud.com/iofd/timerfd"
)

// A tick every 5 milliseconds.
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
		ticks += n // more than 1 when we came late
	}
	fmt.Println(ticks >= 3)
	// Output: true
}

// At the next full second of the wall clock, and to be told if it is set.
func ExampleTimerFD_ArmAt() {
	t, err := timerfd.New(timerfd.Realtime)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	next := time.Now().Truncate(time.Second).Add(time.Second)
	if err := t.ArmAt(next, 0, timerfd.CancelOnSet); err != nil {
		log.Fatal(err)
	}
	switch _, err := t.ReadContext(context.Background()); err {
	case nil:
		fmt.Println("on time:", !time.Now().Before(next))
	case timerfd.ErrClockChanged:
		fmt.Println("on time:", true) // arm again for what the clock shows now
	default:
		log.Fatal(err)
	}
	// Output: on time: true
}
