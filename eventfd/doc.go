// Package eventfd wakes one part of a program, or another process, from another:
// an [EventFD] is a 64-bit counter in the kernel behind a descriptor, see
// eventfd(2).
//
// One side adds to the counter with Signal, the other takes it with Wait. As the
// counter is a descriptor, an event loop watches it beside its sockets, a child
// inherits it, and io_uring(7) or KVM signal it. Between goroutines of one
// process that wait for nothing else, a channel or sync.Cond does the same with
// no system call. It carries a number and no data: for these there are pipes and
// shared memory, and the counter to tell of them.
//
// # Kernels
//
// Linux only; on other platforms the package is empty. Linux 2.6.30 has all but
// these:
//
//   - [EventFD.Value]: 3.8
//   - [EventFD.ID]: 5.2
//   - [EventFD.Semaphore] of an EventFD that came through [FromFD]: 6.5
//
// /proc must be mounted for these three, and for FromFD.
//
// # Pitfalls
//
// Signals add up: who waits learns how many there were, not when, and of several
// who wait one gets them all. [NewSemaphore] gives each 1.
//
// A counter is full at [MaxValue]. Where the sum says nothing, as it does to an
// event loop that only has to wake, [EventFD.Notify] cannot fail for that.
//
// Close closes this descriptor. A process that waits for the same counter through
// a descriptor of its own is not woken by it, nor are those who wait through a
// [EventFD.Dup]: say goodbye with a Signal.
//
// Non-blocking mode belongs to the open file description, which a child and a
// receiver share. One that takes it away makes Signal and Wait block, here
// too, though only their goroutine: as long as it has the descriptor by File or
// Dup, or it came through FromFD. Of a bare number that was handed out nothing is
// known here, and the scheduler would wait as well.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included. A
// call on a closed EventFD fails with [fd.ErrClosed], whatever its arguments. What
// was written before a Signal is seen after the Wait that takes it, in this
// process, and the race detector knows.
package eventfd
