// Package capture is the machine part of package signalfd: it has a signal's
// handler pass every instance of the signal on to one thread, with the siginfo
// that came with it.
//
// signalfd(2) gives a signal only where it is blocked in every thread, else some
// thread takes it as an ordinary signal first. The threads of a Go program belong
// to the runtime, and so do their masks. So the signals are left unblocked
// everywhere but in one thread, the keeper, and whichever thread takes one sends
// it there by rt_tgsigqueueinfo(2).
//
// The handler is assembly: it runs on any thread at any instruction, also where
// there is no goroutine, so it touches neither a g nor a Go stack. The ports
// without it get errors for which errors.Is(err, errors.ErrUnsupported) holds.
package capture
