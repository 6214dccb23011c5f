// Package capture is the machine part of package signalfd. A signal handler in
// assembly appends each instance of a captured signal to a ring, with the siginfo
// that the kernel gave it. Goroutines take it from there.
//
// # Rules
//
// The handler runs on any thread at any instruction, in C code too, so it uses
// neither a g nor a Go stack. All signals are masked while it runs. Its process may
// be a child that shares this memory, between vfork(2) and execve(2).
//
//   - Process. The handler compares getpid(2) with process before it writes. In a
//     child it writes nothing, and does what entry.first says.
//   - Siginfo. Other code may have saved the handler by signal(2) and put it back
//     without SA_SIGINFO. The kernel then gives no siginfo, and the address of it may
//     be any number. So the handler looks at the flags of the action. Without
//     SA_SIGINFO it takes the siginfo from unknown.
//   - Append. It adds 1 to entry.active, loads entry.ring, reserves a slot by
//     compare-and-swap of ring.tail, copies the siginfo and publishes the slot by its
//     stamp. It subtracts 1 from entry.active last. If the ring is full, it counts the
//     signal in entry.dropped.
//   - Wake. It exchanges ring.asleep for 0. If asleep was not 0, it is the number of an
//     eventfd plus 1, and the handler writes to that eventfd. The runtime's poller
//     watches the eventfd, so a goroutine that waits for it keeps no thread and no P.
//   - Begin. A capture stores entry.ring, waits until entry.active is 0, and then
//     installs the handler. So a handler that saw no ring has ended.
//   - End. The old action is restored first. Then entry.ring is cleared, and the end
//     waits until entry.active is 0. After that no handler appends to the ring.
//   - No capture. Other code may have saved the handler and put it back. A handler
//     that finds no ring does what entry.first says. That is the action before the
//     first capture of the signal, and it never changes. So two copies of this
//     package cannot jump to each other in a circle.
//   - First action. Unless that is to ignore the signal, the handler restores it,
//     but only while it holds entry.active and the action is still this handler. A
//     capture that begins waits for it, and a restored action is not overwritten.
//     Then the handler jumps to the handler of the first action. If that is the
//     default, it sends the signal again with its siginfo. If the action is the
//     default already, it only sends: the end has restored it since the handler began. If a
//     seccomp(2) filter refuses rt_sigaction(2), the signal has no effect.
//
// The ports without assembly get errors that match errors.ErrUnsupported.
package capture
