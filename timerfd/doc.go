// Package timerfd lets a descriptor tell the time: a [TimerFD] is a timer in the
// kernel that becomes readable when it expires, see timerfd_create(2).
//
// An event loop watches it beside its sockets; it can follow the wall clock
// through its changes, or keep running while the machine sleeps, which
// time.Timer cannot. Where a goroutine only has to wait, time.Timer does the same
// with no system call.
//
// Every method may be called from any goroutine at any time, Close included.
//
// Linux only, since 2.6.25; [Boottime] and the alarm clocks since 3.15 and 3.11,
// on 32-bit ports all since 5.1. On other platforms the package is empty.
package timerfd
