package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
)

var handleCounts = []int{1, 100, 10_000, 100_000}

func manyHandleWays(o *opened) []way {
	room := makeRoom(o, handleCounts[len(handleCounts)-1])
	o.note("iofd is compared with bare calls on as many handles, which do not fit into the cache")
	var (
		handles    []*eventfd.EventFD
		ours, bare []way
	)
	for _, count := range handleCounts {
		if count > room {
			o.note("%d handles instead of %d, because of the limit of descriptors", room, count)
			count = room
		}
		for len(handles) < count {
			handles = append(handles, o.counter())
		}
		some := handles[:count:count]
		name := counted(count, "handle")
		// The two ways begin with different handles, so neither warms the cache.
		bareInTurn := inTurn(some, 0, bareSignalWait)
		bare = append(bare, timed("bare calls, "+name, bareInTurn))
		ours = append(ours, against(bare[len(bare)-1], timed("iofd, "+name, inTurn(some, count/2, signalWait))))
	}
	return append(bare[:1:1], append(ours, bare[1:]...)...)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// inTurn does the work on one handle after the other. The next call continues
// with the next handle.
func inTurn(handles []*eventfd.EventFD, next int, do func(*eventfd.EventFD)) func(n int) {
	return times(func() {
		e := handles[next]
		if next++; next == len(handles) {
			next = 0
		}
		do(e)
	})
}

// makeRoom raises the limit of descriptors until the end of the row. It returns
// the number of descriptors that the row can open, at most want.
func makeRoom(o *opened, want int) int {
	const reserve = 100 // for the descriptors that are open now, and for children
	var old unix.Rlimit
	try.Check(unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	o.atEnd(func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
	return try.Get(program.RaiseDescriptors(want+reserve)) - reserve
}

func manyGoroutineWays(o *opened) []way {
	// Each Wait takes 1 from a semaphore, so it never finds zero.
	e := closing(o, try.Get(eventfd.NewSemaphore(0)))
	var ours, bare []way
	for _, count := range []int{1, 2, 8} {
		name := counted(count, "goroutine")
		ours = append(ours, timed("iofd, "+name, inParallel(count, times(func() { signalWait(e) }))))
		bare = append(bare, timed("bare calls, "+name, inParallel(count, times(func() { bareSignalWait(e) }))))
	}
	return append(ours, bare...)
}
