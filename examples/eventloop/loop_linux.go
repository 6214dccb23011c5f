package main

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/examples/internal/poller"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

// A loop calls functions when descriptors are ready, timers expire or other goroutines
// ask for it. It calls one after another on one goroutine, so their data needs no lock.
type loop struct {
	poller  poller.Poller
	watches map[uint64]func(events uint32)
	lastID  uint64
	err     error // ends the loop

	timer  *timerfd.TimerFD
	armed  time.Time // what timer is set for
	timers []*timer  // the earliest first

	woken  *eventfd.Waker // something was posted
	mu     sync.Mutex
	posted []func() // guarded by mu
}

func newLoop(engine string) (l *loop, err error) {
	l = &loop{watches: make(map[uint64]func(uint32))}
	if l.poller, err = poller.Engines[engine](); err != nil {
		return nil, err
	}
	if l.woken, err = eventfd.NewWaker(); err != nil {
		return nil, err
	}
	if l.timer, err = timerfd.New(timerfd.Monotonic); err != nil {
		return nil, err
	}
	l.watch(l.woken.FD(), unix.POLLIN, l.runPosted)
	l.watch(l.timer.FD(), unix.POLLIN, l.expired)
	return l, l.err
}

// turn waits until something is ready, and calls the functions for all that is. It returns
// the first error that was given to fail.
func (l *loop) turn() error {
	events, err := l.poller.Wait()
	l.fail(err)
	for _, e := range events {
		if ready, watched := l.watches[e.ID]; watched {
			ready(e.Events)
		}
	}
	return l.err
}

// fail ends the loop after this turn if err is an error that it cannot go on with.
func (l *loop) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// watch has ready called whenever one or more of the events, POLLHUP or POLLERR is
// there. The watch goes on, and keeps the number of f from being reused, until unwatch.
func (l *loop) watch(f *fd.FD, events uint32, ready func(events uint32)) (id uint64) {
	if err := l.poller.Add(l.lastID+1, f, events); err != nil {
		l.fail(err)
		return 0
	}
	l.lastID++
	l.watches[l.lastID] = ready
	return l.lastID
}

// rewatch changes the events of a watch.
func (l *loop) rewatch(id uint64, events uint32) { l.fail(l.poller.Modify(id, events)) }

// unwatch ends a watch and sets its id to 0, which stands for none. Events that have
// happened already have no effect any more.
func (l *loop) unwatch(id *uint64) {
	if *id != 0 {
		delete(l.watches, *id)
		l.fail(l.poller.Remove(*id))
		*id = 0
	}
}

// post has the loop call do. Any goroutine may call it.
func (l *loop) post(do func()) {
	l.mu.Lock()
	l.posted = append(l.posted, do)
	l.mu.Unlock()
	_ = l.woken.Wake() // closed: the loop is over
}

func (l *loop) runPosted(uint32) {
	l.fail(l.woken.Drain())
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, do := range posted {
		do()
	}
}

// A timer is one of any number that share the timerfd, which is set for the earliest.
type timer struct {
	when time.Time
	do   func()
}

// after has do called when d has passed.
func (l *loop) after(d time.Duration, do func()) *timer {
	t := &timer{time.Now().Add(d), do}
	place, _ := slices.BinarySearchFunc(l.timers, t, func(other, t *timer) int {
		return other.when.Compare(t.when)*2 - 1 // equal ones stay in front
	})
	l.timers = slices.Insert(l.timers, place, t)
	l.arm()
	return t
}

// cancel takes the timer out, if it has not expired. The timerfd may then expire for
// nothing.
func (l *loop) cancel(t *timer) {
	if place := slices.Index(l.timers, t); place >= 0 {
		l.timers = slices.Delete(l.timers, place, place+1)
	}
}

func (l *loop) expired(uint32) {
	if _, err := l.timer.Read(); err != nil && err != fd.ErrWouldBlock {
		l.fail(err)
	}
	l.armed = time.Time{}
	for now := time.Now(); len(l.timers) > 0 && !l.timers[0].when.After(now); {
		t := l.timers[0]
		l.timers = slices.Delete(l.timers, 0, 1)
		t.do()
	}
	l.arm()
}

// arm sets the timerfd if it is not set for the earliest timer or one before it.
func (l *loop) arm() {
	if len(l.timers) > 0 && (l.armed.IsZero() || l.timers[0].when.Before(l.armed)) {
		l.armed = l.timers[0].when
		l.fail(l.timer.ArmAt(l.armed, 0))
	}
}
