// Package eventfd provides counters that wake another part of the program, or
// another process. An [EventFD] is a 64-bit counter in the kernel that has a
// descriptor, see eventfd(2).
//
// Signal adds to the counter and Wait takes its value. An event loop watches the
// descriptor beside its sockets, and a child can inherit it. io_uring(7) and KVM
// can signal it. The counter carries a number and no data: to pass data, use a
// pipe or shared memory, and a counter to announce it.
//
// Goroutines of one process that wait for nothing else need no EventFD: a channel
// or a sync.Cond does the same without a system call.
//
// A [Waker] wakes the event loop of this process with few system calls: a
// [Waker.Wake] that finds the loop woken makes none.
//
// # A first program
//
//	events, err := eventfd.New(0)
//	if err != nil {
//		return err
//	}
//	defer events.Close()
//	go func() { _ = events.Signal(1) }()
//	n, err := events.WaitContext(ctx) // parks the goroutine; n is 1
//
// WaitContext is for goroutines. [EventFD.Wait] does not wait. It is for an event loop
// after poll(2) or epoll(7) has reported the number as readable.
//
// # Kernels
//
// Linux only; on other platforms the package is empty. Everything works on Linux
// 5.10, with one exception: [EventFD.Semaphore] of an EventFD from [FromFD]
// requires Linux 6.5.
//
// Older kernels work in part. Linux 2.6.30 has all except two methods:
// [EventFD.Value] requires Linux 3.8, and [EventFD.ID] requires Linux 5.2.
//
// FromFD, Value and ID require a mounted /proc, and so does Semaphore after FromFD.
//
// # Modes
//
// An EventFD from [New] or [NewSemaphore] takes the fast path: its methods make raw
// system calls and do not tell the Go scheduler. They return at once, because the
// descriptor is in non-blocking mode and an eventfd never waits for another
// process.
//
// Non-blocking mode belongs to the open file description. If another process has
// the description too, that process can clear O_NONBLOCK at any time, and Signal
// and Wait then block. An EventFD whose description may be shared therefore takes
// the slow path: its methods tell the scheduler, so a call that blocks stops its
// own goroutine only. The slow path is permanent. It applies to an EventFD:
//
//   - from [FromFD]
//   - after [EventFD.Dup] and [EventFD.File], to the duplicate too
//   - after its FD was sent to another process
//   - after SetCloexec(false) or SetNonblock(false) of its FD
//
// The library does not see a bare number from [EventFD.Fd] that the program passes
// to another process. Pass the number of a File instead.
//
// In blocking mode [EventFD.WaitContext] still ends with its context.
// [EventFD.SignalContext] can outlast its context then, because the kernel has no
// non-blocking write for an eventfd in blocking mode.
//
// # Descriptors
//
// An EventFD holds one descriptor. If a goroutine has parked in WaitContext, All or
// SignalContext, the EventFD holds a second descriptor until Close.
//
// # Pitfalls
//
// Signals accumulate. One waiter receives the sum, and the other waiters keep
// waiting; the sum does not tell when each signal came. [NewSemaphore] gives each
// waiter 1.
//
// The counter is full at [MaxValue], and Signal then fails. An event loop that
// ignores the sum uses a [Waker], or [EventFD.Notify] if other processes signal it
// too. Both succeed if the counter is full.
//
// Close closes one descriptor. It does not wake a waiter that uses another
// descriptor of the same counter, in this process or in another one. To end such
// a wait, call Signal before Close.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included. On a
// closed EventFD, Close returns nil. Every other method that returns an error
// returns [fd.ErrClosed], whatever its arguments are.
//
// Within one process, writes before a Signal happen before the return of the Wait
// that takes it. The race detector knows this order. It does not hold for a [Waker]:
// a Wake that makes no system call orders no plain writes.
package eventfd
