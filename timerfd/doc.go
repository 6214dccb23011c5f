// Package timerfd lets a descriptor tell the time: a [TimerFD] is a timer in the
// kernel that becomes readable when it expires, see timerfd_create(2).
//
// An event loop watches it beside its sockets; it can follow the wall clock
// through its changes ([CancelOnSet]), keep running while the machine sleeps
// ([Boottime]) or wake it ([BoottimeAlarm]), none of which time.Timer can. Where a
// goroutine only has to wait, time.Timer does the same with no system call, and
// any number of them with no descriptor.
//
// # Kernels
//
// Linux only; on other platforms the package is empty. Linux 2.6.25 has all but
// these:
//
//   - [CancelOnSet]: 3.0
//   - [RealtimeAlarm] and [BoottimeAlarm]: 3.11
//   - [Boottime]: 3.15
//   - [FromFD]: 3.17
//   - everything on 32-bit ports, which outlive the year 2038: 5.1
//
// /proc must be mounted for FromFD.
//
// # Pitfalls
//
// A timer with an interval counts every expiration, read or not, so who comes
// late reads more than 1. A machine that slept makes them many, on all clocks but
// [Monotonic].
//
// A date is kept as such on the wall clocks alone. On the others ArmAt makes a
// delay of it, which setting the clock does not change any more: use [Realtime]
// for "at noon", Monotonic or Boottime for "in an hour".
//
// Dups of a timer, here or in another process, are one timer: one arms it for
// all, and each expiration is read by one. Closing one neither stops it nor wakes
// who waits through another.
//
// Non-blocking mode belongs to the open file description, which a child and a
// receiver share. One that takes it away makes Read block, here too, though only
// its goroutine: as long as it has the descriptor by File or Dup, or it came
// through FromFD. Of a bare number that was handed out nothing is known here, and
// the scheduler would wait as well.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included. A
// call on a closed TimerFD fails with [fd.ErrClosed], whatever its arguments. What
// was written before the timer was armed is seen after the Read of its
// expiration, in this process, and the race detector knows.
package timerfd
