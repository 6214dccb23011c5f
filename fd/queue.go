//go:build linux || darwin || freebsd

package fd

import "sync"

// A follower waits for its turn: true is the leader's place, false comes to all
// when the side is closed.
type follower struct {
	turn       chan bool
	prev, next *follower // while queued
	queued     bool
}

var followers = sync.Pool{New: func() any { return &follower{turn: make(chan bool, 1)} }}

// A queue is the followers in the order in which they came. One whose context
// ends leaves from where it stands: were the others gone through or moved for it,
// the end of a context that very many wait under would take the square of their
// number.
type queue struct{ first, last *follower }

func (q *queue) push(w *follower) {
	w.queued, w.prev = true, q.last
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
}

func (q *queue) remove(w *follower) {
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queued, w.prev, w.next = false, nil, nil
}
