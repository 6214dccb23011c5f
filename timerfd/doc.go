// Package timerfd provides timers that have a descriptor. A [TimerFD] is a timer in
// the kernel whose descriptor becomes readable when the timer expires, see
// timerfd_create(2).
//
// An event loop watches the descriptor beside its sockets. A TimerFD can do what
// a time.Timer cannot: follow changes of the wall clock ([CancelOnSet]), run while
// the machine sleeps ([Boottime]), or wake the machine ([BoottimeAlarm]).
//
// A goroutine that only waits needs no TimerFD: a time.Timer does the same without
// a system call and without a descriptor.
//
// # A first program
//
//	timer, err := timerfd.New(timerfd.Boottime)
//	if err != nil {
//		return err
//	}
//	defer timer.Close()
//	if err := timer.Arm(time.Second, time.Minute); err != nil {
//		return err
//	}
//	for n, err := range timer.All(ctx) { // parks between the expirations
//		if err != nil {
//			return err
//		}
//		log.Print("expired ", n, " times")
//	}
//
// [TimerFD.Read] returns at once: it is for an event loop after poll(2) or epoll(7) has
// reported the number as readable. [TimerFD.WaitUntil] waits for one date.
//
// # Kernels
//
// Linux only; on other platforms the package is empty. Everything works on Linux
// 5.10, the oldest kernel that runs the tests.
//
// Older kernels work in part, and are not tested. Linux 3.2, the oldest kernel of
// Go, has all except:
//
//   - [RealtimeAlarm] and [BoottimeAlarm] require Linux 3.11.
//   - [Boottime] requires Linux 3.15.
//   - [FromFD] requires Linux 5.6.
//   - 32-bit ports require Linux 5.1: they use system calls with 64-bit times, and
//     so work after the year 2038.
//
// FromFD requires a mounted /proc.
//
// # Modes
//
// A TimerFD from [New] takes the fast path: its methods make raw system calls and
// do not tell the Go scheduler. They return at once, because the descriptor is in
// non-blocking mode and a timerfd never waits for another process.
//
// Non-blocking mode belongs to the open file description. If another process has
// the description too, that process can clear O_NONBLOCK at any time, and Read
// then blocks. A TimerFD whose description may be shared therefore takes the slow
// path: its methods tell the scheduler, so a call that blocks stops its own
// goroutine only. The slow path is permanent. It applies to a TimerFD:
//
//   - from [FromFD]
//   - after [TimerFD.Dup] and [TimerFD.File], to the duplicate too
//   - after its FD was sent to another process
//   - after SetCloexec(false) or SetNonblock(false) of its FD
//
// The library does not see a bare number from [TimerFD.Fd] that the program passes
// to another process. Pass the number of a File instead.
//
// [TimerFD.ReadContext] ends with its context in blocking mode too, from Linux
// 6.10. On an older kernel it can outlast its context in blocking mode, if another
// reader takes the expirations first.
//
// # Descriptors
//
// A TimerFD holds one descriptor. If a goroutine has parked in ReadContext, All or
// WaitUntil, the TimerFD holds a second descriptor until Close.
//
// # Pitfalls
//
// A periodic timer counts every expiration, so Read may return more than 1. After
// the machine has slept the count can be large. A timer on [Monotonic] does not count
// sleep, and neither does a timer on [Realtime] that Arm has armed.
//
// [CancelOnSet] also reports a resume from suspend. A periodic timer may then stand
// still until it is armed again.
//
// [TimerFD.Arm] on RealtimeAlarm sets a date: the timer expires early if the clock is
// set ahead. Use [BoottimeAlarm] for a delay.
//
// On [Boottime] and BoottimeAlarm, ArmAt of a time that was computed from time.Now ignores
// the time that the machine slept between time.Now and ArmAt: the timer expires too late by
// that. Pass deadline.Round(0), which has no monotonic reading, to include it.
//
// Only [Realtime] and [RealtimeAlarm] keep a date. On the other clocks ArmAt
// converts the date to a delay, and setting the wall clock does not change that
// delay. Use Realtime for "at noon", and Monotonic or Boottime for "in an hour".
// A goroutine that waits for noon calls [TimerFD.WaitUntil].
//
// All descriptors of a timer share its state, in every process. Arming the timer
// through one descriptor arms it for all, and each expiration is read once.
// Closing one descriptor neither stops the timer nor wakes a waiter that uses
// another descriptor.
//
// # Concurrency
//
// Every method may be called from any goroutine at any time, Close included. On a
// closed TimerFD, Close returns nil. Every other method that returns an error
// returns [fd.ErrClosed], whatever its arguments are.
//
// Within one process, writes before the timer was armed happen before the return of
// the Read of its expiration. The race detector knows this order.
package timerfd
