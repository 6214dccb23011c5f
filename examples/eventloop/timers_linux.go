package main

import (
	"container/heap"
	"time"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

// timers are any number of timers on one timerfd, which is set for the earliest.
type timers struct {
	*timerfd.TimerFD
	queue timerQueue
	armed time.Time // what the timerfd is set for
}

type timer struct {
	when  time.Time
	do    func() error
	index int // in the queue, -1 once out of it
}

func (t *timers) init() (err error) {
	t.TimerFD, err = timerfd.New(timerfd.Monotonic)
	return err
}

// after has do called when d has passed.
func (t *timers) after(d time.Duration, do func() error) (*timer, error) {
	added := &timer{when: time.Now().Add(d), do: do}
	heap.Push(&t.queue, added)
	return added, t.arm()
}

// cancel takes the timer out, if it has not expired. The timerfd may then expire for
// nothing.
func (t *timers) cancel(old *timer) {
	if old != nil && old.index >= 0 {
		heap.Remove(&t.queue, old.index)
	}
}

func (t *timers) expired(uint32) error {
	if _, err := t.Read(); err != nil {
		return unless(err, fd.ErrWouldBlock)
	}
	t.armed = time.Time{}
	now := time.Now()
	for len(t.queue) > 0 && !t.queue[0].when.After(now) {
		if err := heap.Pop(&t.queue).(*timer).do(); err != nil {
			return err
		}
	}
	return t.arm()
}

// arm sets the timerfd if it is not set for the earliest timer or one before it.
func (t *timers) arm() error {
	if len(t.queue) == 0 {
		return nil
	}
	earliest := t.queue[0].when
	if !t.armed.IsZero() && !earliest.Before(t.armed) {
		return nil
	}
	t.armed = earliest
	return t.ArmAt(earliest, 0)
}

// A timerQueue has the earliest timer first, see package heap.
type timerQueue []*timer

func (q timerQueue) Len() int           { return len(q) }
func (q timerQueue) Less(i, j int) bool { return q[i].when.Before(q[j].when) }

func (q timerQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *timerQueue) Push(x any) {
	added := x.(*timer)
	added.index = len(*q)
	*q = append(*q, added)
}

func (q *timerQueue) Pop() any {
	last := len(*q) - 1
	popped := (*q)[last]
	popped.index = -1
	(*q)[last] = nil
	*q = (*q)[:last]
	return popped
}
