package main

import (
	"context"
	"fmt"
	"time"

	"code.hybscloud.com/iofd/timerfd"
)

func init() {
	t, err := timerfd.New(timerfd.Monotonic)
	must(err)
	must(t.Arm(time.Millisecond, 0))
	n, err := t.ReadContext(context.Background())
	must(err)
	must(t.Close())
	fmt.Println("timerfd", n)
}
