package main

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// A loop calls functions when descriptors are ready, timers expire or other goroutines
// ask for it. It calls one after another on one goroutine, so their data needs no lock.
// An error of a function ends the loop.
type loop struct {
	timers
	poller  poller
	watches map[uint64]func(events uint32) error
	lastID  uint64

	woken  *eventfd.Waker // something was posted
	mu     sync.Mutex
	posted []func() error // guarded by mu
}

func newLoop(engine string) (*loop, error) {
	l := &loop{watches: make(map[uint64]func(uint32) error)}
	var err error
	if l.poller, err = engines[engine](); err != nil {
		return nil, err
	}
	if l.woken, err = eventfd.NewWaker(); err != nil {
		return nil, err
	}
	if err = l.timers.init(); err != nil {
		return nil, err
	}
	_, err = l.watch(l.woken.FD(), unix.POLLIN, l.runPosted)
	if err == nil {
		_, err = l.watch(l.timers.FD(), unix.POLLIN, l.timers.expired)
	}
	return l, err
}

// watch has ready called whenever one or more of the events, POLLHUP or POLLERR is
// there. The watch goes on, and keeps the number of f from being reused, until unwatch
// is given the id.
func (l *loop) watch(f *fd.FD, events uint32, ready func(events uint32) error) (id uint64, err error) {
	l.lastID++
	if err := l.poller.add(l.lastID, f, events); err != nil {
		return 0, err
	}
	l.watches[l.lastID] = ready
	return l.lastID, nil
}

// rewatch changes the events of a watch.
func (l *loop) rewatch(id uint64, events uint32) error { return l.poller.modify(id, events) }

// unwatch ends a watch: what it waited for has no effect any more, also if it has
// happened already.
func (l *loop) unwatch(id uint64) error {
	delete(l.watches, id)
	return l.poller.remove(id)
}

// turn waits until something is ready, and calls the functions for all that is.
func (l *loop) turn() error {
	events, err := l.poller.wait()
	if err != nil {
		return err
	}
	for _, e := range events {
		if ready, watched := l.watches[e.id]; watched {
			if err := ready(e.events); err != nil {
				return err
			}
		}
	}
	return nil
}

// post has the loop call do. Any goroutine may call it.
func (l *loop) post(do func() error) {
	l.mu.Lock()
	l.posted = append(l.posted, do)
	l.mu.Unlock()
	_ = l.woken.Wake() // closed: the loop is over
}

func (l *loop) runPosted(uint32) error {
	if err := l.woken.Drain(); err != nil {
		return err
	}
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, do := range posted {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) close() error {
	// The poller has pinned the numbers, so they are closed at the end.
	return errors.Join(l.woken.Close(), l.timers.Close(), l.poller.close())
}

// unless returns err but for one that is expected.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
