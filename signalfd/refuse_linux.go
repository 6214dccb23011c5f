package signalfd

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/capture"
)

// impossible are the signals that no process can block or handle. The kernel
// takes them out of a mask without a word.
var impossible = map[string]string{
	"SIGKILL": "no process can catch it",
	"SIGSTOP": "no process can catch it",
}

// reserved are the signals that mean something to the Go runtime, the processor
// or the C library, by name, as their numbers depend on the processor. The two
// numbers have no name.
var reserved = map[string]string{
	"SIGABRT":   "the C library and the Go runtime abort the process by it",
	"SIGURG":    "the Go runtime preempts goroutines by it",
	"SIGPROF":   "the Go runtime profiles by it",
	"SIGILL":    fault,
	"SIGTRAP":   fault,
	"SIGBUS":    fault,
	"SIGEMT":    fault,
	"SIGFPE":    fault,
	"SIGSEGV":   fault,
	"SIGSTKFLT": fault,
	"SIGSYS":    "it says that the running thread made a forbidden system call",
	"32":        "the C library cancels threads by it",
	"33":        "the C library and the Go runtime change user IDs in all threads by it",
}

// unblocked are the signals that the Go runtime takes out of the mask of each of
// its threads, and does not reserve.
var unblocked = map[string]string{
	"SIGHUP":  ends,
	"SIGINT":  ends,
	"SIGQUIT": ends,
	"SIGTERM": ends,
	"SIGCHLD": "the Go runtime needs it in every thread",
	"34":      "a C library changes user IDs in all threads by it",
}

const ends = "the Go runtime ends the program by it"

const fault = "it says that the running thread's instruction failed"

// refuseImpossible refuses a set that holds signals that can never be read.
func refuseImpossible(set Set) error { return refuse(set, impossible) }

// refuseReserved refuses, besides, the signals that a Go program must leave
// alone.
func refuseReserved(set Set) error {
	if err := refuseImpossible(set); err != nil {
		return err
	}
	if iscgo && set.Has(setgidOfMusl) {
		return sys.Invalid("signalfd: signal %d cannot be read in a program with C code: %s", setgidOfMusl, unblocked["34"])
	}
	return refuse(set, reserved)
}

// setgidOfMusl is the signal by which the C library musl changes group IDs in all
// threads. A capture would stop the process at its next setgid(2).
const setgidOfMusl = 34

func refuse(set Set, reasons map[string]string) error {
	for sig := range among(set, reasons).all() {
		return sys.Invalid("signalfd: signal %d (%v) cannot be read: %s", int(sig), sig, reasons[signalName(sig)])
	}
	return nil
}

// among returns the signals of set that have a reason.
func among(set Set, reasons map[string]string) Set {
	var found Set
	for sig := range set.all() {
		if _, ok := reasons[signalName(sig)]; ok {
			found.Add(sig)
		}
	}
	return found
}

// signalName returns "SIGTERM", or the number of a signal without a name.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return strconv.Itoa(int(sig))
}

// refuseUnblocked refuses a set for the signalfd of the kernel. A thread that has a
// signal unblocked takes it first.
func refuseUnblocked(set Set) error {
	if err := refuseReserved(set); err != nil {
		return err
	}
	if err := capture.Busy(uint64(set)); err != nil {
		return err
	}
	if open := set &^ blockedEverywhere(); !open.Empty() {
		return sys.Invalid("signalfd: %v are not blocked in every thread, and this SignalFD captures nothing: make another for them by New", open)
	}
	return nil
}
