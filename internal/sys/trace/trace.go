// Package trace reports the life of each descriptor number that a Descriptor of
// package sys owns. Package systest listens to it, to find leaks in tests.
//
// It is a package of its own because the tests of package sys use systest.
package trace

import "sync/atomic"

// An Event is a step in the life of a number. Moving a number from one Descriptor to
// another is not an event.
type Event int

const (
	Owned  Event = iota // a Descriptor has become its owner
	Ending              // the Descriptor was closed; the number stays open while it is in use
	Gone                // the number is about to be closed or released
)

var listener atomic.Pointer[func(Event, int)]

// Listen makes hear the listener: every goroutine that causes an event calls it. A nil
// hear removes the listener.
func Listen(hear func(e Event, number int)) {
	if hear == nil {
		listener.Store(nil)
		return
	}
	listener.Store(&hear)
}

// Tell tells the listener of an event. Without a listener it costs a comparison.
func Tell(e Event, number int) {
	if hear := listener.Load(); hear != nil {
		(*hear)(e, number)
	}
}
