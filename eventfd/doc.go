// Package eventfd wakes one part of a program, or another process, from another:
// an [EventFD] is a 64-bit counter in the kernel behind a descriptor, see
// eventfd(2).
//
// One side adds to the counter with Signal, the other takes it with Wait. As the
// counter is a descriptor, an event loop watches it beside its sockets, a child
// inherits it, and io_uring(7) or KVM signal it. Between goroutines of one
// process that wait for nothing else, a channel or sync.Cond does the same with
// no system call.
//
// Every method may be called from any goroutine at any time, Close included.
//
// Linux only, since 2.6.27 (semaphores since 2.6.30); on other platforms the
// package is empty. Where fdinfo is asked, /proc must be mounted.
package eventfd
