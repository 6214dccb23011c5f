package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/test/internal/try"
)

// The functions of this file return the ways beside count of something.

func handleWays(o *opened, count int) []way {
	handles := make([]*eventfd.EventFD, count)
	for i := range handles {
		handles[i] = o.counter()
	}
	// The two ways begin with different handles, so neither warms the cache.
	inTurn := func(name string, next int, do func(*eventfd.EventFD)) way {
		return each(name, func() {
			next = (next + 1) % count
			do(handles[next])
		})
	}
	return []way{
		inTurn("bare Signal+Wait, in turn", 0, bareSignalWait),
		inTurn("iofd Signal+Wait, in turn", count/2, signalWait),
		each("iofd Signal+Wait, same handle", func() { signalWait(handles[0]) }),
		each("iofd New+Close", func() { try.Check(try.Get(eventfd.New(0)).Close()) }),
	}
}

func manyGoroutineWays(o *opened) []way {
	// Each Wait takes 1 from a semaphore, so it never finds zero.
	e := closing(o, try.Get(eventfd.NewSemaphore(0)))
	ours, bare := times(func() { signalWait(e) }), times(func() { bareSignalWait(e) })
	return []way{
		timed("iofd, 1 goroutine", ours),
		timed("iofd, 2 goroutines", inParallel(2, ours)),
		timed("iofd, 8 goroutines", inParallel(8, ours)),
		timed("bare calls, 1 goroutine", bare),
		timed("bare calls, 2 goroutines", inParallel(2, bare)),
		timed("bare calls, 8 goroutines", inParallel(8, bare)),
	}
}

// waiterWays park one goroutine on each of count handles.
func waiterWays(o *opened, count int) []way { return parkedWays(o, count, 1) }

// queueWays have count goroutines that wait for one handle. One is parked.
func queueWays(o *opened, count int) []way { return parkedWays(o, 1, count) }

// parkedWays wake a waiter, which answers and waits again.
func parkedWays(o *opened, count, queued int) []way {
	answers := make(chan error, 1)
	waiters := func(name string, open func() line) way {
		var all sync.WaitGroup
		o.atEnd(func() error { all.Wait(); return nil })
		lines, next := make([]line, count), 0
		for i := range lines {
			lines[i] = open()
		}
		var ended atomic.Bool
		for _, l := range lines {
			for range queued {
				all.Go(func() {
					for err := error(nil); err == nil; {
						if err = try.Run(l.wait); !ended.Load() {
							answers <- err
						}
					}
				})
			}
		}
		o.atEnd(func() error { ended.Store(true); return nil })
		w := each(name, func() {
			next = (next + 1) % count
			lines[next].signal()
			try.Check(<-answers)
		})
		w.run(count * queued) // each has been parked once
		return w
	}
	return []way{
		waiters("iofd WaitContext", func() line { return counterLine(background, o.counter()) }),
		waiters("os.File Read", func() line { return eventfdFileLine(o) }),
	}
}

// capturable returns the signals that a program can capture.
func capturable() (all []unix.Signal) {
	reserved := signalfd.NewSet(unix.SIGKILL, unix.SIGSTOP, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGBUS, unix.SIGFPE,
		unix.SIGSEGV, unix.SIGSTKFLT, unix.SIGURG, unix.SIGPROF, unix.SIGSYS, 32, 33, 34)
	for sig := unix.Signal(64); sig > 0; sig-- {
		if !reserved.Has(sig) {
			all = append(all, sig)
		}
	}
	return all
}

func captureWays(o *opened, count int) []way {
	sigs, next := capturable()[:count], 0
	s := closing(o, try.Get(signalfd.New(signalfd.NewSet(sigs...))))
	send := func(sig unix.Signal) {
		try.Check(unix.Kill(os.Getpid(), sig))
		if info := try.Get(s.ReadContext(background)); info.Signal != sig {
			try.Check(fmt.Errorf("read %v instead of %v", info, sig))
		}
	}
	return []way{
		each("iofd, the same signal", func() { send(sigs[0]) }),
		each("iofd, all signals in turn", func() {
			next = (next + 1) % count
			send(sigs[next])
		}),
	}
}

// loopWays wake one loop each, which is in poll(2) until the end. Most calls of Wake are
// short, so a round has more of them: it also starts the goroutines.
func loopWays(o *opened, count int) []way {
	e, other, w, p := o.counter(), o.counter(), o.waker(), one()
	loop := func(name string, more, number int, wake, drain func()) way {
		var ended atomic.Bool
		failed := make(chan error, 1)
		go func() {
			failed <- try.Run(func() {
				for !ended.Load() {
					_, err := unix.Poll([]unix.PollFd{{Fd: int32(number), Events: unix.POLLIN}}, 10_000)
					if err != unix.EINTR {
						try.Check(err)
						drain()
					}
				}
			})
		}()
		o.atEnd(func() error {
			ended.Store(true)
			return errors.Join(try.Run(wake), <-failed)
		})
		all := timed(name, inParallel(count, times(wake)))
		return way{name, func(n int) float64 { return all.run(n*more) / float64(more) }, true}
	}
	return []way{
		loop("bare write", 1, other.Fd(), func() { word.checkBare(bareWrite(other.Fd(), p)) }, func() { try.Get(other.Wait()) }),
		loop("iofd Signal", 1, e.Fd(), func() { try.Check(e.Signal(1)) }, func() { try.Get(e.Wait()) }),
		loop("iofd Wake", 100, w.Fd(), func() { try.Check(w.Wake()) }, func() { try.Check(w.Drain()) }),
	}
}
