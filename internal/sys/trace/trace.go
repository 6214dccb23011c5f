// Package trace is how package sys tells those who look for leaks, package
// systest and through it fd/fdtest, of the life of each descriptor number that a
// Guard owns. It is a package of its own as the tests of sys look for leaks too.
package trace

import "sync/atomic"

// An Event is a step in the life of a number under a Guard. That the number
// passes from one guard to another is none.
type Event int

const (
	Owned  Event = iota // a guard has become its owner
	Ending              // its guard was closed; it stays open while it is in use
	Gone                // it is about to be closed, or given up
)

var listener atomic.Pointer[func(Event, int)]

// Listen has hear called at each event of every number, by the goroutine that
// causes it; nil ends that.
func Listen(hear func(e Event, number int)) {
	if hear == nil {
		listener.Store(nil)
		return
	}
	listener.Store(&hear)
}

// Tell tells the listener. Where there is none it costs a comparison with nil.
func Tell(e Event, number int) {
	if hear := listener.Load(); hear != nil {
		(*hear)(e, number)
	}
}
