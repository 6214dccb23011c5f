package main

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/internal/sys/bare"
)

// wakerRows have a loop that has been woken and has not looked yet.
func wakerRows() []row {
	return []row{{name: "wake a loop that is woken", open: wokenWays}}
}

func wokenWays(o *opened) ([]way, error) {
	e, err := o.counter()
	if err != nil {
		return nil, err
	}
	w, err := o.waker()
	if err != nil {
		return nil, err
	}
	p := one()
	return []way{
		timed("bare calls", times(func() error { return bareSignal(e.Fd()) })),
		timed("iofd Wake", times(w.Wake)),
		timed("iofd Signal", times(func() error { return e.Signal(1) })),
		timed("x/sys/unix", times(func() error {
			_, err := unix.Write(e.Fd(), p[:])
			return err
		})),
	}, nil
}

func bareSignal(fd int) error {
	p := one()
	if k := bare.Call3(unix.SYS_WRITE, uintptr(fd), unsafe.Pointer(&p), 8); k != 8 {
		return bareError(k)
	}
	return nil
}

func (o *opened) waker() (*eventfd.Waker, error) {
	w, err := eventfd.NewWaker()
	if err == nil {
		o.atEnd(w.Close)
	}
	return w, err
}

// wakes has four goroutines that add work and wake one loop, which waits in poll(2).
var wakes = tally{
	name:    "4 goroutines wake one loop a million times each",
	columns: []string{"writes", "turns of the loop", "ms"},
	format:  "%.0f",
	lines: func(o *opened, s span) ([]tallyLine, error) {
		times := 1_000_000
		if s.rounds > 0 {
			times = min(times, 1000*s.rounds)
		}
		w, err := o.waker()
		if err != nil {
			return nil, err
		}
		e, err := o.counter()
		if err != nil {
			return nil, err
		}
		p := make([]byte, 8)
		ways := []struct {
			name  string
			fd    int
			wake  func() error
			drain func() (uint64, error)
		}{
			// The loop itself may read before Drain. The value is the number of writes.
			{"iofd Waker", w.Fd(), w.Wake, func() (uint64, error) {
				_, err := w.FD().Read(p)
				return binary.NativeEndian.Uint64(p), errors.Join(err, w.Drain())
			}},
			{"iofd EventFD, Signal and Wait", e.Fd(), func() error { return e.Signal(1) }, e.Wait},
			{"bare calls", e.Fd(), func() error { return bareSignal(e.Fd()) }, e.Wait},
		}
		const goroutines, runs = 4, 5
		var lines []tallyLine
		for _, way := range ways {
			var writes, turns, elapsed []float64
			for range runs {
				var added atomic.Int64
				var all sync.WaitGroup
				errs := make([]error, goroutines)
				start := time.Now()
				for i := range goroutines {
					all.Go(func() {
						for range times {
							added.Add(1)
							if errs[i] = way.wake(); errs[i] != nil {
								return
							}
						}
					})
				}
				var sum, turn, seen int64
				for seen < int64(goroutines*times) {
					if err := awaitReadable(way.fd); err != nil {
						return nil, err
					}
					n, err := way.drain()
					if err != nil {
						return nil, err
					}
					sum += int64(n)
					turn++
					seen = added.Load()
				}
				all.Wait()
				elapsed = append(elapsed, float64(time.Since(start).Milliseconds()))
				if awaited, err := unix.Poll([]unix.PollFd{{Fd: int32(way.fd), Events: unix.POLLIN}}, 0); err == nil && awaited == 1 {
					n, err := way.drain() // the last writes, after the loop had seen all work
					if err != nil {
						return nil, err
					}
					sum += int64(n)
				}
				if err := errors.Join(errs...); err != nil {
					return nil, err
				}
				writes, turns = append(writes, float64(sum)), append(turns, float64(turn))
			}
			lines = append(lines, tallyLine{way.name, []float64{median(writes), median(turns), median(elapsed)}})
		}
		return lines, nil
	},
}

func awaitReadable(fd int) error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		if err != unix.EINTR {
			return err
		}
	}
}
