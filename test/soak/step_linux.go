package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

// A setter sets the wall clock now and then. Timers that are armed to report that must
// report it once each time.
type setter struct {
	every  time.Duration
	gate   *sync.RWMutex
	offset time.Duration // by how much the clock is wrong
	steps  int
	timers []*timerfd.TimerFD
	told   []chan struct{} // by each timer
	ending chan struct{}
	group
}

// startSetter sets the clock for the first time, to what it shows, and fails if it
// may not.
func startSetter(every time.Duration, gate *sync.RWMutex, fail func(error)) (*setter, error) {
	s := &setter{every: every, gate: gate, ending: make(chan struct{})}
	if err := setClock(0); err != nil {
		return nil, fmt.Errorf("-step: %w", err)
	}
	for _, clock := range []timerfd.Clock{timerfd.Realtime, timerfd.Realtime, timerfd.RealtimeAlarm} {
		if !slices.Contains(clocks, clock) {
			continue
		}
		t, err := timerfd.New(clock)
		if err != nil {
			return nil, err
		}
		if err := s.expect(t); err != nil {
			return nil, err
		}
	}
	s.do(1, func() error {
		for {
			select {
			case <-s.ending:
				return nil
			case <-time.After(s.every):
			}
			s.gate.RLock()
			err := s.set(rand.N(2*time.Hour) - time.Hour)
			s.gate.RUnlock()
			if err != nil {
				fail(err)
				return err
			}
		}
	})
	return s, nil
}

// expect makes t report when the clock is set. t is armed before the setter sets it.
func (s *setter) expect(t *timerfd.TimerFD) error {
	told := make(chan struct{}, 1000)
	s.timers, s.told = append(s.timers, t), append(s.told, told)
	arm := func() error { return t.ArmAt(time.Now().Add(far), 0, timerfd.CancelOnSet) }
	if err := arm(); err != nil {
		return err
	}
	s.do(1, func() error {
		for {
			_, err := t.ReadContext(context.Background())
			if errors.Is(err, fd.ErrClosed) {
				return nil
			} else if !errors.Is(err, timerfd.ErrClockChanged) {
				return fmt.Errorf("a timer of %v returned %v, not that the clock was set", far, err)
			}
			if err := arm(); err != nil {
				return fmt.Errorf("the clock was set once, and told twice: %w", err)
			}
			told <- struct{}{}
		}
	})
	return nil
}

// set sets the clock so that it is wrong by offset, and returns when all timers have
// reported.
func (s *setter) set(offset time.Duration) error {
	if err := setClock(offset - s.offset); err != nil {
		return err
	}
	s.steps++
	s.offset = offset
	for i, told := range s.told {
		select {
		case <-told:
		case <-time.After(patience / 2):
			return fmt.Errorf("the clock was set, and the timer on %v has not told", s.timers[i].Clock())
		}
	}
	return nil
}

// stop sets the clock right, and fails if a timer has reported more changes than there
// were.
func (s *setter) stop() error {
	close(s.ending)
	time.Sleep(10 * time.Millisecond)
	s.gate.Lock() // the last set is over
	err := s.set(0)
	s.gate.Unlock()
	for i, t := range s.timers {
		err = errors.Join(err, t.Close())
		if n := len(s.told[i]); n > 0 {
			err = errors.Join(err, fmt.Errorf("a timer told %d times more than the clock was set", n))
		}
	}
	return errors.Join(err, s.wait())
}

// setClock sets the wall clock by that much.
func setClock(by time.Duration) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return os.NewSyscallError("clock_gettime", err)
	}
	then := unix.NsecToTimespec(now.Nano() + int64(by))
	return os.NewSyscallError("clock_settime", unix.ClockSettime(unix.CLOCK_REALTIME, &then))
}
